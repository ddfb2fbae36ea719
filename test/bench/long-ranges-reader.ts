/** The client of `long-ranges.ts` that reads everything again and again, in a process of its own. */
import { RangeRequest } from '../../src/wire/gen/rpc.ts'
import type { Identity } from '../support/certificates.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'

export interface ReaderPlan {
  readonly url: string
  readonly identity: Identity
  readonly request: Partial<RangeRequest>
  /** Reads that are under way at a time. */
  readonly lanes: number
  /** What the values of the first and the last key begin with, which are always written together; null: no values come. */
  readonly pair: string | null
}

export type FromReader =
  | { readonly answered: { readonly bytes: number; readonly ms: number } }
  | { readonly problem: string }

const tell = (message: FromReader): void => void process.send!(message)

/** The answer shows one state if both values are of one write. */
function problemOf(answer: Buffer, pair: string): string | null {
  const first = answer.indexOf(pair)
  const last = answer.lastIndexOf(pair)
  if (first < 0 || first === last) return `an answer of ${answer.length} bytes lacks a value`
  const length = pair.length + 12
  const values = [first, last].map((at) => answer.toString('latin1', at, at + length))
  return values[0] === values[1] ? null : `half of a write: ${values.join(' and ')}`
}

async function readOn(connection: GrpcConnection, plan: ReaderPlan): Promise<never> {
  const request = RangeRequest.encode({ ...RangeRequest.decode(new Uint8Array(0)), ...plan.request }).finish()
  for (;;) {
    const began = performance.now()
    const answer = Buffer.from(await connection.unary('/etcdserverpb.KV/Range', request))
    const problem = plan.pair === null ? null : problemOf(answer, plan.pair)
    if (problem === null) tell({ answered: { bytes: answer.length, ms: performance.now() - began } })
    else tell({ problem })
  }
}

process.on('message', (plan: ReaderPlan) => {
  for (let lane = 0; lane < plan.lanes; lane++) {
    const connection = new GrpcConnection(plan.url, plan.identity)
    readOn(connection, plan).catch((error: unknown) => tell({ problem: String(error) }))
  }
})
process.on('disconnect', () => process.exit())
