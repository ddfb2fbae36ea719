import { compareBytes } from '../../src/base/bytes.ts'
import type { KeyValue } from '../../src/wire/gen/kv.ts'
import type { RangeRequest, RangeResponse, TxnRequest, TxnResponse } from '../../src/wire/gen/rpc.ts'
import { bytesText } from './canonical.ts'
import type { MethodName } from './step.ts'

/** Up to here Go sorts by insertion, which leaves equal elements in their order. */
const stableCountMax = 12

/**
 * An answer in which pairs that the request sorts as equal stand in the order of their keys, and those are left out of
 * which a limit took only some.
 */
export function withoutTies(method: MethodName, request: unknown, response: unknown): unknown {
  if (response === null || request === null) return response
  if (method === 'Range') return sortedRange(request as RangeRequest, response as RangeResponse)
  if (method === 'Txn') return sortedTxn(request as TxnRequest, response as TxnResponse)
  return response
}

function sortedTxn(request: TxnRequest, response: TxnResponse): TxnResponse {
  const ops = response.succeeded ? request.success : request.failure
  const responses = response.responses.map((answer, index): TxnResponse['responses'][number] => {
    const op = ops[index]?.request
    const { response: of } = answer
    if (op?.$case === 'request_range' && of?.$case === 'response_range') {
      return { response: { $case: of.$case, value: sortedRange(op.value, of.value) } }
    }
    if (op?.$case === 'request_txn' && of?.$case === 'response_txn') {
      return { response: { $case: of.$case, value: sortedTxn(op.value, of.value) } }
    }
    return answer
  })
  return { ...response, responses }
}

function sortedRange(request: RangeRequest, response: RangeResponse): RangeResponse {
  if (request.sort_target === 0 || response.count <= BigInt(stableCountMax)) return response
  const rank = rankOf(request)
  const last = response.kvs.at(-1)
  const whole = response.more && last ? response.kvs.filter((kv) => rank(kv) !== rank(last)) : response.kvs
  // The sorting itself is compared as well: equal ranks next to each other are one run.
  const runs: KeyValue[][] = []
  for (const kv of whole) {
    const run = runs.at(-1)
    if (run?.[0] && rank(run[0]) === rank(kv)) run.push(kv)
    else runs.push([kv])
  }
  return { ...response, kvs: runs.flatMap((run) => run.sort((a, b) => compareBytes(a.key, b.key))) }
}

/** What a request sorts by, as far as its answer shows: without values, any order by value may be right. */
function rankOf({ sort_target, keys_only }: RangeRequest): (kv: KeyValue) => string {
  switch (sort_target) {
    case 1:
      return ({ version }) => `${version}`
    case 2:
      return ({ create_revision }) => `${create_revision}`
    case 3:
      return ({ mod_revision }) => `${mod_revision}`
    default:
      return ({ value }) => (keys_only ? '' : bytesText(value))
  }
}
