/**
 * Leases by the hundred thousand: what a put takes while they are granted with a key each, renewed, and expire together,
 * against what it takes on the idle member. Renewals and grants come at the rates that such a fleet makes of them.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PutRequest, RangeRequest, RangeResponse } from '../../src/wire/gen/rpc.ts'
import { TestCluster } from '../support/cluster.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'
import type { TestMember } from '../support/member.ts'
import { cleanEnvironment } from '../support/run.ts'
import { within } from '../support/within.ts'
import type { FromLoad, ToLoad } from './leases-load.ts'

const loadScript = fileURLToPath(new URL('./leases-load.ts', import.meta.url))
const phaseMsMax = 600_000
const aloneMs = 10_000
const slowdownMax = 2

class Load implements Disposable {
  readonly #child: ChildProcess

  constructor() {
    this.#child = fork(loadScript, { env: cleanEnvironment })
  }

  run(message: ToLoad): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#child.once('message', (answer: FromLoad) => {
        if ('problem' in answer) reject(new Error(answer.problem))
        else resolve()
      })
      this.#child.once('exit', (code) => reject(new Error(`the load ended with ${code}`)))
    })
    this.#child.send(message)
    return within(`the load: ${Object.keys(message)}`, done, phaseMsMax)
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL')
  }
}

async function put(connection: GrpcConnection): Promise<void> {
  const request = { key: Buffer.from('probe'), value: Buffer.alloc(64, 'v'), lease: 0n }
  const flags = { prev_kv: false, ignore_value: false, ignore_lease: false }
  await connection.unary('/etcdserverpb.KV/Put', PutRequest.encode({ ...request, ...flags }).finish())
}

async function leasedKeys(connection: GrpcConnection): Promise<number> {
  const range = { key: Buffer.from('leased/'), range_end: Buffer.from('leased0'), count_only: true }
  const request = RangeRequest.encode({ ...RangeRequest.decode(new Uint8Array(0)), ...range }).finish()
  return Number(RangeResponse.decode(await connection.unary('/etcdserverpb.KV/Range', request)).count)
}

/** One put after another until `during` is over. @returns their latencies in milliseconds, sorted. */
async function probe(connection: GrpcConnection, during: Promise<unknown>): Promise<number[]> {
  const ms: number[] = []
  let isOver = false
  const over = during.finally(() => {
    isOver = true
  })
  while (!isOver) {
    const startedMs = performance.now()
    await put(connection)
    ms.push(performance.now() - startedMs)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  await over
  return ms.sort((a, b) => a - b)
}

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Memory of the member's process without what is only mapped from its files, in MiB; 0 where there is no /proc. */
function anonymousMiB({ dataDir }: TestMember): number {
  try {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const commandLine = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
      if (!commandLine.includes(`--data-dir=${dataDir}`)) continue
      return Math.round(Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024)
    }
  } catch {
    // A process that ended while it was looked at, or another system.
  }
  return 0
}

export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      leases: { type: 'string', default: '100000' },
      ttl: { type: 'string', default: '120' },
      'grants-per-second': { type: 'string', default: '1000' },
      'renewals-per-second': { type: 'string', default: '5000' },
      program: { type: 'string', default: 'leasehold' },
    },
  })
  const leases = Number(values.leases)
  const program = values.program === 'etcd' ? 'etcd' : 'leasehold'
  await using cluster = await TestCluster.start({ size: 1, program })
  const member = cluster.members[0]!
  const url = member.clientUrl
  const identity = cluster.certificates.client
  using connection = new GrpcConnection(url, identity)
  using counter = new GrpcConnection(url, identity)
  using load = new Load()
  await load.run({ connect: { url, identity } })
  for (let i = 0; i < 1000; i++) await put(connection)

  const phases: { readonly name: string; readonly ms: readonly number[] }[] = []
  const measure = async (name: string, during: Promise<unknown>): Promise<void> => {
    const ms = await probe(connection, during)
    phases.push({ name, ms })
    const [p50, p99, p999] = [0.5, 0.99, 0.999].map((share) => percentile(ms, share).toFixed(2))
    const memory = anonymousMiB(member)
    process.stdout.write(
      `${name}: p50 ${p50} p99 ${p99} p99.9 ${p999} max ${ms.at(-1)!.toFixed(1)} ms, ${memory} MiB\n`,
    )
  }
  await measure('alone', sleep(aloneMs))
  const ttlSeconds = Number(values.ttl)
  const grant = { leases, ttlSeconds, perSecond: Number(values['grants-per-second']) }
  await measure('grants', load.run({ grant }))
  if ((await leasedKeys(counter)) !== leases)
    throw new Error('leases expired while they were granted: use a longer --ttl')
  await measure('renewals', load.run({ renew: { perSecond: Number(values['renewals-per-second']) } }))
  const expiry = async (wanted: (left: number) => boolean): Promise<void> => {
    while (!wanted(await leasedKeys(counter))) await sleep(500)
  }
  await measure(
    'at rest',
    expiry((left) => left < leases),
  )
  const startedMs = performance.now()
  await measure(
    'expiry',
    within(
      'all leases expire',
      expiry((left) => left === 0),
      phaseMsMax,
    ),
  )
  process.stdout.write(`all expired in ${((performance.now() - startedMs) / 1000).toFixed(1)} s\n`)

  const alone = percentile(phases[0]!.ms, 0.99)
  for (const { name, ms } of phases.slice(1)) {
    const slowdown = percentile(ms, 0.99) / alone
    process.stdout.write(`${name}: p99 ${slowdown.toFixed(2)} times as long as alone\n`)
    if (slowdown > slowdownMax) process.exitCode = 1
  }
}
