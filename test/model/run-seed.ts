import { ConcurrentRun, type ConcurrentTotals } from './concurrent-run.ts'
import { runAsEtcd } from './etcd-run.ts'
import { snapshotEntries } from './nemesis.ts'
import { SerialRun, type Totals } from './serial-run.ts'
import { Mismatch, World, type WorldOptions } from './world.ts'

const linesShown = 40
/** A defect, in the log or instead of it. */
const crashes = /"level":"(error|fatal)"|InvariantError|TypeError|Uncaught/

export interface SeedOptions {
  readonly seed: number
  readonly print?: (line: string) => void
}

/** Why a run says nothing: `World.hasLateChange`. */
export interface Inconclusive {
  readonly inconclusive: string
}

/**
 * One thing after the other.
 *
 * @throws Error with the last steps, if anything was not as the model says.
 */
export const runSerially = ({
  steps,
  ...options
}: SeedOptions & { readonly steps: number }): Promise<Totals | Inconclusive> =>
  inWorld(options, async (world, print) => {
    const run = new SerialRun(world, options.seed, print)
    await run.run(steps)
    return run.totals
  })

/** All at the same time. @throws Error as the other. */
export const runConcurrently = ({
  milliseconds,
  ...options
}: SeedOptions & { readonly milliseconds: number }): Promise<ConcurrentTotals | Inconclusive> =>
  inWorld(options, async (world, print) => {
    const run = new ConcurrentRun(world, options.seed, print)
    await run.run(milliseconds)
    return run.totals
  })

/** What etcd can do, of etcd or of one member of ours. @throws Error as the others. */
export const compareAsEtcd = ({
  program,
  steps,
  ...options
}: SeedOptions & { readonly program: 'etcd' | 'leasehold'; readonly steps: number }): Promise<object> =>
  inWorld(options, (world, print) => runAsEtcd(world, options.seed, steps, print), { size: 1, program })

async function inWorld<T>(
  { seed, print = () => {} }: SeedOptions,
  work: (world: World, print: (line: string) => void) => Promise<T>,
  kind: WorldOptions = { size: 3, flags: [`--snapshot-count=${snapshotEntries}`] },
): Promise<T | Inconclusive> {
  await using world = await World.start(kind)
  const lines: string[] = []
  try {
    const result = await work(world, (line) => {
      print(line)
      lines.push(line)
      if (lines.length > linesShown) lines.shift()
    })
    for (const { name, log } of world.cluster.members) {
      const crash = log.split('\n').find((line) => crashes.test(line))
      if (crash !== undefined) throw new Mismatch(`${name} logged ${crash}`)
    }
    return result
  } catch (error) {
    const logs = world.cluster.members.map((member) => `${member.name}:\n${member.logTail(5)}`)
    const text =
      error instanceof Error ? `${error.message}${error.cause === undefined ? '' : ` (${error.cause})`}` : String(error)
    if (error instanceof Mismatch && (await world.hasLateChange().catch(() => false))) return { inconclusive: text }
    throw new Error([`seed ${seed}: ${text}`, 'before it:', ...lines, ...logs].join('\n'), { cause: error })
  }
}
