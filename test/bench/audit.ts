/**
 * What the audit trail costs: puts and gets of one member over mutual TLS, without it, with `best-effort` and with `required`. A
 * member for each, measured in turn, in several rounds: other work on the machine then hits all alike. The member's processor
 * time for a request says more than requests a second where the clients are what is slow.
 */
import { parseArgs } from 'node:util'
import { TestCluster } from '../support/cluster.ts'
import { Load, median, processorUs } from './auth.ts'

const modes = ['put', 'get'] as const

interface Figures {
  readonly perSecond: number[]
  readonly us: number[]
  readonly p99: number[]
}

/** @param args --ways of auditing; --seconds of each measurement, --rounds, --processes, --lanes, --connections of each. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      ways: { type: 'string', default: 'off,best-effort,required' },
      seconds: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '5' },
      processes: { type: 'string', default: '2' },
      lanes: { type: 'string', default: '64' },
      connections: { type: 'string', default: '8' },
    },
  })
  const ways = values.ways.split(',')
  const seconds = Number(values.seconds)
  await using open = new AsyncDisposableStack()
  const sides = []
  for (const way of ways) {
    const cluster = open.use(await TestCluster.start({ size: 1, flags: [`--audit=${way}`, '--audit-files-max=4'] }))
    const load = open.use(
      await Load.start(Number(values.processes), {
        url: cluster.members[0]!.clientUrl,
        identity: cluster.certificates.client,
        connections: Number(values.connections),
        lanes: Number(values.lanes),
      }),
    )
    sides.push({ way, member: cluster.members[0]!, load, figures: new Map<string, Figures>() })
  }
  for (let round = 0; round <= Number(values.rounds); round++) {
    for (const mode of modes) {
      for (const { member, load, figures } of sides) {
        const beforeUs = processorUs(member.pid)
        const ms = (await load.run({ mode, seconds, token: null })).sort((a, b) => a - b)
        // The first is for code to be compiled.
        if (round === 0) continue
        const of = figures.get(mode) ?? { perSecond: [], us: [], p99: [] }
        figures.set(mode, of)
        of.perSecond.push(ms.length / seconds)
        of.us.push((processorUs(member.pid) - beforeUs) / ms.length)
        of.p99.push(ms[Math.floor(ms.length * 0.99)]!)
      }
    }
  }
  process.stdout.write(`median of ${values.rounds} rounds; against ${ways[0]} in brackets\n`)
  for (const mode of modes) {
    const first = sides[0]!.figures.get(mode)!
    for (const { way, figures } of sides) {
      const of = figures.get(mode)!
      const share = (what: keyof Figures): string =>
        `${median(of[what].map((value, round) => (100 * value) / first[what][round]!)).toFixed(0)} %`
      process.stdout.write(
        `  ${mode} ${way.padEnd(12)}${median(of.perSecond).toFixed(0).padStart(7)}/s (${share('perSecond')}), ` +
          `p99 ${median(of.p99).toFixed(1)} ms, ${median(of.us).toFixed(1)} us of the member's processors each (${share('us')})\n`,
      )
    }
  }
  for (const { way, member } of sides) {
    if (member.log.includes('the audit trail cannot be written')) throw new Error(`${way}: records were lost`)
  }
}
