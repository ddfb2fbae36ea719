/**
 * Long reads: one client reads a million keys again and again, through the one serving thread of a member. What puts and
 * gets of others take meanwhile, how much memory the member takes, and whether each answer shows one state.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import {
  type PutRequest,
  RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  TxnRequest,
} from '../../src/wire/gen/rpc.ts'
import { TestCluster } from '../support/cluster.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'
import { cleanEnvironment } from '../support/run.ts'
import { within } from '../support/within.ts'
import type { FromReader, ReaderPlan } from './long-ranges-reader.ts'

const readerScript = fileURLToPath(new URL('./long-ranges-reader.ts', import.meta.url))
const waitMsMax = 110_000
const pair = 'pair='
const prefix = Buffer.from('long/')
const prefixEnd = Buffer.from('long0')

const none = new Uint8Array(0)
const putOf = (key: string, value: Buffer): PutRequest => ({
  key: Buffer.from(key),
  value,
  lease: 0n,
  prev_kv: false,
  ignore_value: false,
  ignore_lease: false,
})

function putAll(connection: GrpcConnection, puts: readonly PutRequest[]): Promise<Uint8Array> {
  const success = puts.map((value) => ({ request: { $case: 'request_put' as const, value } }))
  return connection.unary('/etcdserverpb.KV/Txn', TxnRequest.encode({ compare: [], success, failure: [] }).finish())
}

/** A write of the first and the last key. */
const putPair = (connection: GrpcConnection, count: number): Promise<Uint8Array> => {
  const value = Buffer.from(`${pair}${String(count).padStart(12, '0')}`)
  return putAll(connection, [putOf('long/', value), putOf('long/~', value)])
}

const keysPerTxn = 4000
const lanes = 4

async function fill(connection: GrpcConnection, keys: number, valueBytes: number): Promise<void> {
  const value = Buffer.alloc(valueBytes, 'v')
  let next = 0
  const lane = async (): Promise<void> => {
    while (next < keys) {
      const from = next
      next = Math.min(keys, from + keysPerTxn)
      const puts = Array.from({ length: next - from }, (_, i) =>
        putOf(`long/${String(from + i).padStart(9, '0')}`, value),
      )
      await putAll(connection, puts)
    }
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

const requests: Readonly<Record<string, Partial<RangeRequest>>> = {
  plain: {},
  'keys-only': { keys_only: true },
  count: { count_only: true },
  page: { limit: 500n },
  sorted: { sort_target: RangeRequest_SortTarget.VALUE, sort_order: RangeRequest_SortOrder.DESCEND },
}

class Reader implements Disposable {
  readonly #child: ChildProcess
  problem: string | null = null
  readonly answers: { readonly bytes: number; readonly ms: number }[] = []

  constructor(plan: ReaderPlan) {
    this.#child = fork(readerScript, { env: cleanEnvironment, serialization: 'advanced' })
    this.#child.on('message', (message: FromReader) => {
      if ('problem' in message) this.problem = message.problem
      else this.answers.push(message.answered)
    })
    this.#child.send(plan)
  }

  [Symbol.dispose](): void {
    this.#child.kill('SIGKILL')
  }
}

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length * share)]!

const describe = (ms: readonly number[]): string =>
  `p50 ${percentile(ms, 0.5).toFixed(2)}, p99 ${percentile(ms, 0.99).toFixed(2)}, worst ${Math.max(...ms).toFixed(1)} ms of ${ms.length}`

const megabytesOf = (pid: number): number => {
  const pages = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))
  return Math.round(Number(pages![1]) / 1024)
}

/** @param args --program etcd measures the real one; --keys, --value-bytes, --readers, --seconds, --read (a name above). */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      program: { type: 'string', default: 'leasehold' },
      keys: { type: 'string', default: '1000000' },
      'value-bytes': { type: 'string', default: '100' },
      readers: { type: 'string', default: '1' },
      seconds: { type: 'string', default: '10' },
      read: { type: 'string', default: 'plain' },
    },
  })
  const program = values.program === 'etcd' ? 'etcd' : 'leasehold'
  const flags = ['--max-txn-ops=10000', ...(program === 'etcd' ? [] : ['--serve-threads=1'])]
  await using cluster = await TestCluster.start({ size: 1, program, flags })
  const member = cluster.members[0]!
  const identity = cluster.certificates.client
  using writer = new GrpcConnection(member.clientUrl, identity)
  using bystander = new GrpcConnection(member.clientUrl, identity)
  await within('the keys are written', fill(writer, Number(values.keys), Number(values['value-bytes'])), waitMsMax)
  let written = 0
  await putPair(writer, written)

  const get = RangeRequest.encode({ ...RangeRequest.decode(none), key: Buffer.from('long/000000001') }).finish()
  const loop = async (work: () => Promise<unknown>, untilMs: number): Promise<number[]> => {
    const latencies: number[] = []
    while (performance.now() < untilMs) {
      const began = performance.now()
      await work()
      latencies.push(performance.now() - began)
    }
    return latencies
  }
  const measure = async (what: string): Promise<void> => {
    const untilMs = performance.now() + 1000 * Number(values.seconds)
    const [puts, gets] = await Promise.all([
      loop(() => putPair(writer, ++written), untilMs),
      loop(() => bystander.unary('/etcdserverpb.KV/Range', get), untilMs),
    ])
    process.stdout.write(
      `${what}: ${megabytesOf(member.pid)} MiB\n  puts ${describe(puts)}\n  gets ${describe(gets)}\n`,
    )
  }
  process.stdout.write(`${program}: ${values.keys} keys of ${values['value-bytes']} bytes\n`)
  await measure('alone')
  const request = { key: prefix, range_end: prefixEnd, ...requests[values.read] }
  const plan = { url: member.clientUrl, identity, request, lanes: Number(values.readers) }
  using reader = new Reader({ ...plan, pair: values.read === 'plain' ? pair : null })
  await measure(`beside ${values.readers} that read (${values.read})`)
  if (reader.problem !== null) throw new Error(reader.problem)
  const times = reader.answers.map(({ ms }) => ms)
  const bytes = reader.answers.at(-1)?.bytes ?? 0
  process.stdout.write(`  reads ${times.length === 0 ? 'none' : describe(times)}, ${bytes} bytes each\n`)
}
