/**
 * A burst of logins: what gets and puts of others take while they go on, against what they take alone, and how long the
 * logins take. One member, mutual TLS, passwords hashed as by default.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { AuthenticateRequest, AuthenticateResponse, PutRequest, RangeRequest } from '../../src/wire/gen/rpc.ts'
import { TestCluster } from '../support/cluster.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'
import { cleanEnvironment } from '../support/run.ts'
import { within } from '../support/within.ts'
import type { BurstPlan, BurstResult } from './logins-burst.ts'

const burstScript = fileURLToPath(new URL('./logins-burst.ts', import.meta.url))
const burstMsMax = 300_000
const users = Array.from({ length: 20 }, (_, n) => `user-${n}`)

const none = new Uint8Array(0)
const key = Buffer.from('k')

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN

function describe(ms: readonly number[]): string {
  const sorted = [...ms].sort((a, b) => a - b)
  const [p50, p99, worst] = [percentile(sorted, 0.5), percentile(sorted, 0.99), sorted.at(-1) ?? Number.NaN]
  return `p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}, worst ${worst.toFixed(1)} ms of ${ms.length}`
}

/** One request after another, every millisecond or two, until `isOver`. */
async function probe(work: () => Promise<unknown>, isOver: () => boolean): Promise<number[]> {
  const ms: number[] = []
  while (!isOver()) {
    const began = performance.now()
    await work()
    ms.push(performance.now() - began)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  return ms
}

async function startBurst(plan: BurstPlan): Promise<{ child: ChildProcess; go(): Promise<BurstResult> }> {
  const child = fork(burstScript, { env: cleanEnvironment })
  const ready = once(child, 'message')
  child.send(plan)
  await ready
  return {
    child,
    async go() {
      const result = once(child, 'message')
      child.send('go')
      const [message] = await within('the logins are over', result, burstMsMax)
      return message as BurstResult
    },
  }
}

/** @param args --program etcd measures the real one; --logins, --connections, --seconds (alone), --members, --flag (of the member). */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      program: { type: 'string', default: 'leasehold' },
      logins: { type: 'string', default: '500' },
      connections: { type: 'string', default: '50' },
      seconds: { type: 'string', default: '10' },
      members: { type: 'string', default: '1' },
      flag: { type: 'string', multiple: true, default: [] },
    },
  })
  const program = values.program === 'etcd' ? 'etcd' : 'leasehold'
  await using cluster = await TestCluster.start({ size: Number(values.members), program, flags: values.flag })
  const { etcdctl } = cluster
  const url = cluster.members[0]!.clientUrl
  const identity = cluster.certificates.client
  for (const name of ['root', ...users]) await etcdctl.ok('user', 'add', `${name}:${name}`)
  for (const name of ['root', ...users]) await etcdctl.ok('user', 'grant-role', name, 'root')
  await etcdctl.ok('auth', 'enable', '--user=root:root')

  using others = new GrpcConnection(url, identity)
  const request = AuthenticateRequest.encode({ name: 'root', password: 'root' }).finish()
  const { token } = AuthenticateResponse.decode(await others.unary('/etcdserverpb.Auth/Authenticate', request))
  const range = RangeRequest.encode({ ...RangeRequest.decode(none), key }).finish()
  const put = PutRequest.encode({ ...PutRequest.decode(none), key, value: Buffer.alloc(256, 'v') }).finish()
  const measure = async (isOver: () => boolean): Promise<{ gets: number[]; puts: number[] }> => {
    const [gets, puts] = await Promise.all([
      probe(() => others.unary('/etcdserverpb.KV/Range', range, { token }), isOver),
      probe(() => others.unary('/etcdserverpb.KV/Put', put, { token }), isOver),
    ])
    return { gets, puts }
  }
  const forSeconds = (seconds: number): (() => boolean) => {
    const endMs = performance.now() + 1000 * seconds
    return () => performance.now() >= endMs
  }

  const logins = Number(values.logins)
  const burst = await startBurst({ url, identity, connections: Number(values.connections), logins, users })
  try {
    // Code is compiled as it is used.
    await measure(forSeconds(3))
    const alone = await measure(forSeconds(Number(values.seconds)))
    let isOver = false
    const began = performance.now()
    const result = burst.go().finally(() => {
      isOver = true
    })
    const during = await measure(() => isOver)
    const { ms, problems } = await result
    const p99 = (values: readonly number[]): number =>
      percentile(
        [...values].sort((a, b) => a - b),
        0.99,
      )
    const grown = (p99(during.gets) / p99(alone.gets)).toFixed(2)
    process.stdout.write(
      `${program}: ${logins} logins at once, done after ${((performance.now() - began) / 1000).toFixed(1)} s\n` +
        `  logins ${describe(ms)}\n` +
        `  gets alone  ${describe(alone.gets)}\n  gets during ${describe(during.gets)}: p99 ${grown} times that alone\n` +
        `  puts alone  ${describe(alone.puts)}\n  puts during ${describe(during.puts)}\n`,
    )
    if (problems.length > 0) throw new Error(`${logins - ms.length} logins failed: ${problems.join('; ')}`)
  } finally {
    burst.child.kill('SIGKILL')
  }
}
