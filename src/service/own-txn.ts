import { assert } from '../base/assert.ts'
import { emptyBytes } from '../base/bytes.ts'
import type { KeyValue } from '../wire/gen/kv.ts'
import {
  type Compare,
  Compare_CompareResult,
  Compare_CompareTarget,
  type RangeRequest,
  RangeRequest_SortOrder,
  RangeRequest_SortTarget,
  type RequestOp,
  TxnRequest,
  TxnResponse,
} from '../wire/gen/rpc.ts'
import { joinedAnswer } from './answer.ts'
import type { Call } from './call.ts'
import { txn } from './kv.ts'
import type { Member } from './member.ts'

/** Transactions that the member makes itself, on behalf of a caller: they are checked and authorized like any other. */

export interface OwnTxnResult {
  readonly succeeded: boolean
  /** Of the store, when the transaction was carried out. */
  readonly revision: bigint
  /** Key-values of the range at this place among the operations; empty for a put or delete. */
  kvs(operation: number): readonly KeyValue[]
}

/** @throws EtcdError the refusal. */
export async function ownTxn(member: Member, call: Call, request: TxnRequest): Promise<OwnTxnResult> {
  const response = TxnResponse.decode(joinedAnswer(await txn(member, TxnRequest.encode(request).finish(), call)))
  return {
    succeeded: response.succeeded,
    revision: revisionOf(response),
    kvs(operation) {
      const answer = response.responses[operation]?.response
      return answer?.$case === 'response_range' ? answer.value.kvs : []
    },
  }
}

function revisionOf({ header }: TxnResponse): bigint {
  assert(header !== undefined, 'every response has a header')
  return header.revision
}

/** A revision of 0 is that of a key that does not exist. */
export const wasCreatedAt = (key: Uint8Array, revision: bigint): Compare => ({
  result: Compare_CompareResult.EQUAL,
  target: Compare_CompareTarget.CREATE,
  key,
  target_union: { $case: 'create_revision', value: revision },
  range_end: emptyBytes,
})

/** That no key of a range was created before `revision`; false for a range without keys. */
export const areCreatedFrom = (start: Uint8Array, end: Uint8Array, revision: bigint): Compare => ({
  result: Compare_CompareResult.GREATER,
  target: Compare_CompareTarget.CREATE,
  key: start,
  target_union: { $case: 'create_revision', value: revision - 1n },
  range_end: end,
})

/** @param lease 0n keeps the lease that the key has. */
export const putOp = (key: Uint8Array, value: Uint8Array, lease: bigint): RequestOp => ({
  request: {
    $case: 'request_put',
    value: { key, value, lease, prev_kv: false, ignore_value: false, ignore_lease: lease === 0n },
  },
})

export const deleteOp = (key: Uint8Array): RequestOp => ({
  request: { $case: 'request_delete_range', value: { key, range_end: emptyBytes, prev_kv: false } },
})

export const getOp = (key: Uint8Array): RequestOp => ({
  request: { $case: 'request_range', value: rangeRequest(key, emptyBytes) },
})

/** The key-value of a range that was created first. */
export const firstCreatedOp = (start: Uint8Array, end: Uint8Array): RequestOp => ({
  request: {
    $case: 'request_range',
    value: { ...rangeRequest(start, end), limit: 1n, sort_order: RangeRequest_SortOrder.ASCEND },
  },
})

/** The keys of a range without their values, first created first, at most `max`. */
export const createdInOrderOp = (start: Uint8Array, end: Uint8Array, max: number): RequestOp => ({
  request: {
    $case: 'request_range',
    value: {
      ...rangeRequest(start, end),
      limit: BigInt(max),
      sort_order: RangeRequest_SortOrder.ASCEND,
      keys_only: true,
    },
  },
})

const rangeRequest = (key: Uint8Array, rangeEnd: Uint8Array): RangeRequest => ({
  key,
  range_end: rangeEnd,
  limit: 0n,
  revision: 0n,
  sort_order: RangeRequest_SortOrder.NONE,
  sort_target: rangeEnd.length === 0 ? RangeRequest_SortTarget.KEY : RangeRequest_SortTarget.CREATE,
  serializable: false,
  keys_only: false,
  count_only: false,
  min_mod_revision: 0n,
  max_mod_revision: 0n,
  min_create_revision: 0n,
  max_create_revision: 0n,
})
