/**
 * Fan-out: one put, ten thousand watchers. What a member of its own process delivers in a second, and what a put that
 * none of them watches takes meanwhile, with all consumers reading and with one of them stopped.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { PutRequest } from '../../src/wire/gen/rpc.ts'
import { TestCluster } from '../support/cluster.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'
import { cleanEnvironment } from '../support/run.ts'
import { within } from '../support/within.ts'
import type { FromWatchers, ToWatchers, WatchersPlan } from './fan-out-watchers.ts'

const watchersScript = fileURLToPath(new URL('./fan-out-watchers.ts', import.meta.url))
const waitMsMax = 60_000
const slowdownMax = 1.5
const rounds = 4

class Watchers implements Disposable {
  readonly #child: ChildProcess
  readonly watches: number
  readonly #problems: string[] = []
  #onMessage: (message: FromWatchers) => void = () => {}

  constructor(plan: WatchersPlan) {
    this.watches = plan.connections * plan.watchesPerConnection
    this.#child = fork(watchersScript, { env: cleanEnvironment })
    this.#child.on('message', (message: FromWatchers) => {
      if ('problem' in message) this.#problems.push(message.problem)
      this.#onMessage(message)
    })
    this.#send({ plan })
  }

  #send(message: ToWatchers): void {
    this.#child.send(message)
  }

  #until(what: string, done: (message: FromWatchers) => boolean): Promise<void> {
    const wait = new Promise<void>((resolve, reject) => {
      this.#onMessage = (message) => {
        if (this.#problems.length > 0) reject(new Error(this.#problems[0]))
        else if (done(message)) resolve()
      }
      if (this.#problems.length > 0) reject(new Error(this.#problems[0]))
    })
    return within(what, wait, waitMsMax)
  }

  created(): Promise<void> {
    return this.#until('the watches are created', (message) => 'created' in message)
  }

  /** Until every watch has seen as many events, each once and in order. */
  seen(events: number): Promise<void> {
    const wait = this.#until(`${events} events reach every watch`, (message) => 'seen' in message)
    this.#send({ expect: events })
    return wait
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL')
  }
}

const put = async (connection: GrpcConnection, key: string): Promise<void> => {
  const request = { key: Buffer.from(key), value: Buffer.alloc(100, 'v'), lease: 0n }
  const flags = { prev_kv: false, ignore_value: false, ignore_lease: false }
  await connection.unary('/etcdserverpb.KV/Put', PutRequest.encode({ ...request, ...flags }).finish())
}

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)]!

const describe = (ms: readonly number[]): string =>
  `p50 ${percentile(ms, 0.5).toFixed(2)} ms, p99 ${percentile(ms, 0.99).toFixed(2)} ms of ${ms.length}`

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, Math.max(0, ms)))

/** @param args --program etcd measures the real one; --watchers, --connections, --consumers, --puts, --seconds. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      program: { type: 'string', default: 'leasehold' },
      watchers: { type: 'string', default: '10000' },
      connections: { type: 'string', default: '40' },
      consumers: { type: 'string', default: '4' },
      puts: { type: 'string', default: '200' },
      seconds: { type: 'string', default: '16' },
    },
  })
  const consumers = Number(values.consumers)
  const connections = Number(values.connections) / consumers
  const watchesPerConnection = Number(values.watchers) / consumers / connections
  const puts = Number(values.puts)
  await using cluster = await TestCluster.start({ size: 1, program: values.program === 'etcd' ? 'etcd' : 'leasehold' })
  const url = cluster.members[0]!.clientUrl
  const identity = cluster.certificates.client
  using writer = new GrpcConnection(url, identity)
  using bystander = new GrpcConnection(url, identity)
  using disposables = new DisposableStack()
  const plan = { url, identity, connections, watchesPerConnection, key: 'fan/', rangeEnd: 'fan0' }
  const groups = Array.from({ length: consumers }, () => disposables.use(new Watchers(plan)))
  await Promise.all(groups.map((group) => group.created()))
  let written = 0
  const fanOut = (): Promise<void> => put(writer, `fan/${written++ % 100}`)
  const allSeen = (of: readonly Watchers[]): Promise<unknown> => Promise.all(of.map((group) => group.seen(written)))
  const watches = groups.reduce((sum, group) => sum + group.watches, 0)

  const burst = async (): Promise<number> => {
    const began = performance.now()
    const before = written
    const lane = async (): Promise<void> => {
      while (written < before + puts) await fanOut()
    }
    await Promise.all(Array.from({ length: 8 }, lane))
    await allSeen(groups)
    return ((written - before) * watches) / ((performance.now() - began) / 1000)
  }
  await burst()
  const rate = await burst()
  process.stdout.write(`${values.program}: ${watches} watchers on ${values.connections} connections\n`)
  process.stdout.write(`burst of ${puts} puts: ${Math.round(rate)} events/s\n`)

  // A third of what it can do, so that what is measured is waiting for others and not a full machine.
  const everyMs = (1000 * watches) / (rate / 3)
  const measure = async (latencies: number[], until: readonly Watchers[]): Promise<void> => {
    const end = performance.now() + (1000 * Number(values.seconds)) / (2 * rounds)
    const load = async (): Promise<void> => {
      for (let next = performance.now(); next < end; next += everyMs) {
        await pause(next - performance.now())
        await fanOut()
      }
    }
    const unrelated = async (): Promise<void> => {
      while (performance.now() < end) {
        const began = performance.now()
        await put(bystander, 'unrelated')
        latencies.push(performance.now() - began)
        await pause(5)
      }
    }
    await Promise.all([load(), unrelated()])
    await allSeen(until)
  }
  const [stopped, ...others] = groups
  const reading: number[] = []
  const oneStopped: number[] = []
  // In turns, because other work on the machine comes and goes.
  for (let round = 0; round < rounds; round++) {
    await measure(reading, groups)
    stopped!.signal('SIGSTOP')
    await measure(oneStopped, others)
    stopped!.signal('SIGCONT')
    await allSeen(groups)
  }
  process.stdout.write(`unrelated puts, all consumers reading: ${describe(reading)}\n`)
  process.stdout.write(`unrelated puts, one consumer stopped:  ${describe(oneStopped)}\n`)
  const ratios = [0.5, 0.99].map((share) => percentile(oneStopped, share) / percentile(reading, share))
  process.stdout.write(`one stopped to all reading: p50 ${ratios[0]!.toFixed(2)}, p99 ${ratios[1]!.toFixed(2)}\n`)
  process.stdout.write(`every watch saw all ${written} events once, in order\n`)
  if (ratios.some((ratio) => ratio > slowdownMax)) {
    process.stdout.write(`a stopped consumer slows others down by more than ${slowdownMax}\n`)
    process.exitCode = 1
  }
}
