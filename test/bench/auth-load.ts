/** A process that puts or gets as fast as it is answered. */
import { PutRequest, RangeRequest } from '../../src/wire/gen/rpc.ts'
import type { Identity } from '../support/certificates.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'

export interface AuthLoadPlan {
  readonly url: string
  readonly identity: Identity
  readonly connections: number
  readonly lanes: number
}
export interface AuthLoadRun {
  readonly mode: 'put' | 'get'
  readonly seconds: number
  /** Sent with each request; null: none. */
  readonly token: string | null
}
export type AuthLoadAnswer = 'ready' | { readonly ms: readonly number[] } | { readonly problem: string }

const keys = 1000
const none = new Uint8Array(0)
const keyOf = (n: number): Buffer => Buffer.from(`app/${String(n % keys).padStart(6, '0')}`)
const puts = Array.from({ length: keys }, (_, n) =>
  PutRequest.encode({ ...PutRequest.decode(none), key: keyOf(n), value: Buffer.alloc(256, 'v') }).finish(),
)
const gets = Array.from({ length: keys }, (_, n) =>
  RangeRequest.encode({ ...RangeRequest.decode(none), key: keyOf(n) }).finish(),
)

const tell = (answer: AuthLoadAnswer): void => void process.send!(answer)

process.once('message', ({ url, identity, connections, lanes }: AuthLoadPlan) => {
  const all = Array.from({ length: connections }, () => new GrpcConnection(url, identity))
  process.on('message', ({ mode, seconds, token }: AuthLoadRun) => {
    const metadata: Readonly<Record<string, string>> = token === null ? {} : { token }
    const [path, requests] = mode === 'put' ? ['/etcdserverpb.KV/Put', puts] : ['/etcdserverpb.KV/Range', gets]
    const ms: number[] = []
    const untilMs = performance.now() + 1000 * seconds
    const lane = async (n: number): Promise<void> => {
      for (let at = n * 7; performance.now() < untilMs; at++) {
        const began = performance.now()
        await all[n % connections]!.unary(path, requests[at % keys]!, metadata)
        ms.push(performance.now() - began)
      }
    }
    Promise.all(Array.from({ length: lanes }, (_, n) => lane(n))).then(
      () => tell({ ms }),
      (error: Error) => tell({ problem: error.message }),
    )
  })
  tell('ready')
})
process.on('disconnect', () => process.exit())
