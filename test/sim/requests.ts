import { concatBytes, emptyBytes, utf8 } from '../../src/base/bytes.ts'
import type { LeaseId } from '../../src/base/ids.ts'
import {
  CompactionRequest,
  Compare_CompareResult,
  Compare_CompareTarget,
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  PutRequest,
  RangeRequest,
  RangeResponse,
  type RequestOp,
  TxnRequest,
  TxnResponse,
} from '../../src/wire/gen/rpc.ts'

/** A field that no message has: it makes each request unique, and readers skip it. */
const tagField = 1000

function tagged(request: Uint8Array, tag: string): Uint8Array {
  const bytes = utf8(tag)
  const key = (tagField << 3) | 2
  return concatBytes(request, Uint8Array.of((key & 0x7f) | 0x80, key >> 7, bytes.length), bytes)
}

const putOf = (key: string, value: string, lease: bigint): PutRequest => ({
  ...PutRequest.decode(emptyBytes),
  key: utf8(key),
  value: utf8(value),
  lease,
})
const rangeOf = (key: string): RangeRequest => ({ ...RangeRequest.decode(emptyBytes), key: utf8(key) })
const putOp = (key: string, value: string): RequestOp => ({
  request: { $case: 'request_put', value: putOf(key, value, 0n) },
})

export const putRequest = (tag: string, key: string, value: string, lease: LeaseId | 0n = 0n): Uint8Array =>
  tagged(PutRequest.encode(putOf(key, value, lease)).finish(), tag)

export const deleteRequest = (tag: string, key: string): Uint8Array =>
  tagged(DeleteRangeRequest.encode({ key: utf8(key), range_end: emptyBytes, prev_kv: true }).finish(), tag)

export const compactRequest = (tag: string, revision: number): Uint8Array =>
  tagged(CompactionRequest.encode({ revision: BigInt(revision), physical: false }).finish(), tag)

export const grantRequest = (tag: string, id: LeaseId, ttlSeconds: number): Uint8Array =>
  tagged(LeaseGrantRequest.encode({ TTL: BigInt(ttlSeconds), ID: id }).finish(), tag)

export const revokeRequest = (tag: string, id: LeaseId): Uint8Array =>
  tagged(LeaseRevokeRequest.encode({ ID: id }).finish(), tag)

export const getRequest = (key: string): RangeRequest => rangeOf(key)

/** Puts `value` if the key holds `expected` (null: does not exist), else reads the key. */
export function swapRequest(tag: string, key: string, expected: string | null, value: string): Uint8Array {
  const compare =
    expected === null
      ? {
          target: Compare_CompareTarget.VERSION,
          target_union: { $case: 'version' as const, value: 0n },
        }
      : {
          target: Compare_CompareTarget.VALUE,
          target_union: { $case: 'value' as const, value: utf8(expected) },
        }
  const request: TxnRequest = {
    compare: [{ result: Compare_CompareResult.EQUAL, key: utf8(key), range_end: emptyBytes, ...compare }],
    success: [putOp(key, value)],
    failure: [{ request: { $case: 'request_range', value: rangeOf(key) } }],
  }
  return tagged(TxnRequest.encode(request).finish(), tag)
}

/** Puts the same value under several keys, in one revision. */
export function putAllRequest(tag: string, keys: readonly string[], value: string): Uint8Array {
  const request: TxnRequest = { compare: [], success: keys.map((key) => putOp(key, value)), failure: [] }
  return tagged(TxnRequest.encode(request).finish(), tag)
}

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')

export function readValueOf(rangeBody: Uint8Array): string | null {
  const kv = RangeResponse.decode(rangeBody).kvs[0]
  return kv ? text(kv.value) : null
}

export const deletedOf = (body: Uint8Array): bigint => DeleteRangeResponse.decode(body).deleted

/** The value read by a swap that found something else; undefined if it swapped. */
export function swapReadOf(body: Uint8Array): string | null | undefined {
  const { succeeded, responses } = TxnResponse.decode(body)
  if (succeeded) return undefined
  const response = responses[0]?.response
  if (response?.$case !== 'response_range') return null
  const kv = response.value.kvs[0]
  return kv ? text(kv.value) : null
}
