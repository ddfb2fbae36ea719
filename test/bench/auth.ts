/**
 * What it costs that callers are asked who they are and what they may: puts and gets of one member over mutual TLS, with auth
 * off, and on with the certificate's name, a login's token and, of leasehold, a signed token with a scope. In turn, in several
 * rounds: other work on the machine then hits all alike. The member's processor time for a request says more than requests a
 * second where the clients are what is slow.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { TokenIssueRequest, TokenIssueResponse } from '../../src/wire/gen/leasehold.ts'
import { AuthClient } from '../support/auth-client.ts'
import { TestCluster } from '../support/cluster.ts'
import { cleanEnvironment } from '../support/run.ts'
import { makeKey, pemOf } from '../support/token-keys.ts'
import { within } from '../support/within.ts'
import type { AuthLoadAnswer, AuthLoadPlan, AuthLoadRun } from './auth-load.ts'

const loadScript = fileURLToPath(new URL('./auth-load.ts', import.meta.url))
const ways = ['off', 'certificate', 'token', 'scoped'] as const
type Way = (typeof ways)[number]
const modes = ['put', 'get'] as const

/** Of a clock tick, everywhere. */
const usPerTick = 10_000

/** Processor time of all threads of a process, in microseconds. */
export function processorUs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * usPerTick
}

export const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)]!

export class Load implements Disposable {
  readonly #children: readonly ChildProcess[]

  private constructor(children: readonly ChildProcess[]) {
    this.#children = children
  }

  static async start(processes: number, plan: AuthLoadPlan): Promise<Load> {
    const children = Array.from({ length: processes }, () => fork(loadScript, { env: cleanEnvironment }))
    const load = new Load(children)
    await load.#ask(plan)
    return load
  }

  async run(plan: AuthLoadRun): Promise<number[]> {
    const answers = await this.#ask(plan)
    return answers.flatMap((answer) => {
      if (answer === 'ready' || 'problem' in answer) throw new Error(JSON.stringify(answer))
      return [...answer.ms]
    })
  }

  #ask(message: AuthLoadPlan | AuthLoadRun): Promise<AuthLoadAnswer[]> {
    const answers = this.#children.map(async (child) => {
      const answered = once(child, 'message')
      child.send(message)
      return (await answered)[0] as AuthLoadAnswer
    })
    return within('the load answers', Promise.all(answers), 60_000)
  }

  [Symbol.dispose](): void {
    for (const child of this.#children) child.kill('SIGKILL')
  }
}

/** `client`, as the certificate says, and `app` may the same, by a role with more ranges than one. */
async function makeUsers(root: AuthClient): Promise<void> {
  await root.addUser('root', 'root')
  await root.grantRole('root', 'root')
  await root.addRole('app')
  for (let n = 0; n < 10; n++) await root.grantPrefix('app', `other-${n}`)
  await root.grantPrefix('app', 'app')
  for (const [user, password] of [
    ['client', ''],
    ['app', 'app'],
  ] as const) {
    await root.addUser(user, password)
    await root.grantRole(user, 'app')
  }
}

async function scopedToken(app: AuthClient): Promise<string> {
  const range = { key: Buffer.from('app/'), range_end: Buffer.from('app0') }
  const request = { ...TokenIssueRequest.decode(new Uint8Array(0)), scope: [{ verbs: ['read', 'write'], ...range }] }
  const answer = await app.call('/leasehold.v1.Tokens/Issue', TokenIssueRequest.encode(request).finish())
  return TokenIssueResponse.decode(answer).token
}

/** @param args --program etcd measures the real one; --seconds of each measurement, --rounds, --processes, --lanes, --connections of each. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      program: { type: 'string', default: 'leasehold' },
      seconds: { type: 'string', default: '3' },
      rounds: { type: 'string', default: '5' },
      processes: { type: 'string', default: '2' },
      lanes: { type: 'string', default: '64' },
      connections: { type: 'string', default: '8' },
    },
  })
  const program = values.program === 'etcd' ? 'etcd' : 'leasehold'
  await using files = await TestCluster.create({ size: 1, program })
  const keyFile = join(files.dir, 'signing.pem')
  writeFileSync(keyFile, pemOf(await makeKey()), { mode: 0o600 })
  const flags = program === 'etcd' ? [] : [`--token-signing-key-file=${keyFile}`]
  await using cluster = await TestCluster.start({ size: 1, program, flags })
  const [member] = cluster.members
  using client = AuthClient.of(cluster, member!)
  await makeUsers(client)
  const seconds = Number(values.seconds)
  using load = await Load.start(Number(values.processes), {
    url: member!.clientUrl,
    identity: cluster.certificates.client,
    connections: Number(values.connections),
    lanes: Number(values.lanes),
  })

  const measured = new Map<string, { perSecond: number[]; us: number[]; p99: number[] }>()
  const measure = async (way: Way, token: string | null, isKept: boolean): Promise<void> => {
    for (const mode of modes) {
      const beforeUs = processorUs(member!.pid)
      const ms = (await load.run({ mode, seconds, token })).sort((a, b) => a - b)
      if (!isKept) continue
      const figures = measured.get(`${mode} ${way}`) ?? { perSecond: [], us: [], p99: [] }
      measured.set(`${mode} ${way}`, figures)
      figures.perSecond.push(ms.length / seconds)
      figures.us.push((processorUs(member!.pid) - beforeUs) / ms.length)
      figures.p99.push(ms[Math.floor(ms.length * 0.99)]!)
    }
  }
  for (let round = 0; round <= Number(values.rounds); round++) {
    // The first is for code to be compiled.
    const isKept = round > 0
    await measure('off', null, isKept)
    await client.enable()
    const root = await client.logIn('root', 'root')
    const app = await client.logIn('app', 'app')
    await measure('certificate', null, isKept)
    await measure('token', app.metadata.token!, isKept)
    if (program === 'leasehold') await measure('scoped', await scopedToken(app), isKept)
    await root.disable()
  }
  process.stdout.write(`${program}, median of ${values.rounds} rounds; against auth off in brackets\n`)
  for (const mode of modes) {
    const off = measured.get(`${mode} off`)!
    for (const way of ways) {
      const figures = measured.get(`${mode} ${way}`)
      if (figures === undefined) continue
      const share = (of: 'perSecond' | 'us'): string =>
        `${median(figures[of].map((value, round) => (100 * value) / off[of][round]!)).toFixed(0)} %`
      process.stdout.write(
        `  ${mode} ${way.padEnd(12)}${median(figures.perSecond).toFixed(0).padStart(7)}/s (${share('perSecond')}), ` +
          `p99 ${median(figures.p99).toFixed(1)} ms, ${median(figures.us).toFixed(0)} us of the member's processors each (${share('us')})\n`,
      )
    }
  }
}
