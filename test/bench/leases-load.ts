/** The load of `leases.ts`, in a process of its own: grants leases with one key each, and renews them, at a given rate. */
import {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  PutRequest,
} from '../../src/wire/gen/rpc.ts'
import type { Identity } from '../support/certificates.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'

export type ToLoad =
  | { readonly connect: { readonly url: string; readonly identity: Identity } }
  | { readonly grant: { readonly leases: number; readonly ttlSeconds: number; readonly perSecond: number } }
  | { readonly renew: { readonly perSecond: number } }

export type FromLoad = { readonly done: string } | { readonly problem: string }

const connections = 4
const turnMs = 10

const open: GrpcConnection[] = []
const ids: bigint[] = []

/** Starts `count` works, at that rate by the clock, and waits for all. */
async function paced(count: number, perSecond: number, work: (index: number) => Promise<void>): Promise<void> {
  const all: Promise<void>[] = []
  const startedMs = performance.now()
  while (all.length < count) {
    const due = Math.min(count, Math.ceil(((performance.now() - startedMs) / 1000) * perSecond))
    while (all.length < due) all.push(work(all.length))
    await new Promise((resolve) => setTimeout(resolve, turnMs))
  }
  await Promise.all(all)
}

async function grantOne(index: number, ttlSeconds: number): Promise<void> {
  const connection = open[index % connections]!
  const request = LeaseGrantRequest.encode({ ID: 0n, TTL: BigInt(ttlSeconds) }).finish()
  const { ID } = LeaseGrantResponse.decode(await connection.unary('/etcdserverpb.Lease/LeaseGrant', request))
  ids.push(ID)
  const key = Buffer.from(`leased/${String(index).padStart(8, '0')}`)
  const flags = { prev_kv: false, ignore_value: false, ignore_lease: false }
  const put = PutRequest.encode({ key, value: Buffer.alloc(64, 'v'), lease: ID, ...flags }).finish()
  await connection.unary('/etcdserverpb.KV/Put', put)
}

/** All on one stream, as a client library does. */
function renewAll(perSecond: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let answers = 0
    const call = open[0]!.open(
      '/etcdserverpb.Lease/LeaseKeepAlive',
      (message) => {
        const { ID, TTL } = LeaseKeepAliveResponse.decode(message)
        if (ID !== ids[answers] || TTL <= 0n) reject(new Error(`renewal ${answers} is answered with ${ID}: ${TTL}`))
        if (++answers === ids.length) call.end()
      },
      (problem) => (problem === null ? resolve() : reject(new Error(`the keep-alive stream: ${problem}`))),
    )
    const send = async (index: number): Promise<void> =>
      call.send(LeaseKeepAliveRequest.encode({ ID: ids[index]! }).finish())
    paced(ids.length, perSecond, send).catch(reject)
  })
}

async function handle(message: ToLoad): Promise<string> {
  if ('connect' in message) {
    const { url, identity } = message.connect
    for (let i = 0; i < connections; i++) open.push(new GrpcConnection(url, identity))
    return 'connect'
  }
  if ('grant' in message) {
    const { leases, ttlSeconds, perSecond } = message.grant
    await paced(leases, perSecond, (index) => grantOne(index, ttlSeconds))
    return 'grant'
  }
  await renewAll(message.renew.perSecond)
  return 'renew'
}

process.on('message', (message: ToLoad) => {
  handle(message).then(
    (done) => process.send?.({ done } satisfies FromLoad),
    (error: Error) => process.send?.({ problem: error.message } satisfies FromLoad),
  )
})
