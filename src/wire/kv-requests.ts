import { emptyBytes } from '../base/bytes.ts'
import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import { ByteReader } from './byte-reader.ts'
import type { Compare, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from './gen/rpc.ts'

/**
 * Decoders of the requests of the KV service, for serving threads and apply. They read what the generated decoders read
 * (unit test), in a fraction of the time, and refuse what those pass over in silence: groups, tags of field 0. Byte
 * fields are views of the input, and an enum holds whatever number was sent. All throw EtcdError `invalidRequest`.
 */

export function decodeRangeRequest(bytes: Uint8Array): RangeRequest {
  const reader = new ByteReader(bytes)
  const range: RangeRequest = {
    key: emptyBytes,
    range_end: emptyBytes,
    limit: 0n,
    revision: 0n,
    sort_order: 0,
    sort_target: 0,
    serializable: false,
    keys_only: false,
    count_only: false,
    min_mod_revision: 0n,
    max_mod_revision: 0n,
    min_create_revision: 0n,
    max_create_revision: 0n,
  }
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 0x0a) range.key = reader.bytes()
    else if (tag === 0x12) range.range_end = reader.bytes()
    else if (tag === 0x18) range.limit = reader.int64()
    else if (tag === 0x20) range.revision = reader.int64()
    else if (tag === 0x28) range.sort_order = reader.int32() as RangeRequest['sort_order']
    else if (tag === 0x30) range.sort_target = reader.int32() as RangeRequest['sort_target']
    else if (tag === 0x38) range.serializable = reader.bool()
    else if (tag === 0x40) range.keys_only = reader.bool()
    else if (tag === 0x48) range.count_only = reader.bool()
    else if (tag === 0x50) range.min_mod_revision = reader.int64()
    else if (tag === 0x58) range.max_mod_revision = reader.int64()
    else if (tag === 0x60) range.min_create_revision = reader.int64()
    else if (tag === 0x68) range.max_create_revision = reader.int64()
    else reader.skip(tag)
  }
  return range
}

export function decodePutRequest(bytes: Uint8Array): PutRequest {
  const reader = new ByteReader(bytes)
  const put: PutRequest = {
    key: emptyBytes,
    value: emptyBytes,
    lease: 0n,
    prev_kv: false,
    ignore_value: false,
    ignore_lease: false,
  }
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 0x0a) put.key = reader.bytes()
    else if (tag === 0x12) put.value = reader.bytes()
    else if (tag === 0x18) put.lease = reader.int64()
    else if (tag === 0x20) put.prev_kv = reader.bool()
    else if (tag === 0x28) put.ignore_value = reader.bool()
    else if (tag === 0x30) put.ignore_lease = reader.bool()
    else reader.skip(tag)
  }
  return put
}

export function decodeDeleteRangeRequest(bytes: Uint8Array): DeleteRangeRequest {
  const reader = new ByteReader(bytes)
  const deletion: DeleteRangeRequest = { key: emptyBytes, range_end: emptyBytes, prev_kv: false }
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 0x0a) deletion.key = reader.bytes()
    else if (tag === 0x12) deletion.range_end = reader.bytes()
    else if (tag === 0x18) deletion.prev_kv = reader.bool()
    else reader.skip(tag)
  }
  return deletion
}

/**
 * Transactions nested deeper than `limits.txnDepthMax` are not looked into, so that neither the stack nor the time grows
 * with the depth that a client sends.
 *
 * @throws EtcdError tooManyOps if nested too deeply, since every level is an operation of the one above.
 */
export const decodeTxnRequest = (bytes: Uint8Array): TxnRequest => txnAt(bytes, 1)

function txnAt(bytes: Uint8Array, depth: number): TxnRequest {
  if (depth > limits.txnDepthMax) throw new EtcdError('tooManyOps', { cause: 'transactions nested too deeply' })
  const reader = new ByteReader(bytes)
  const txn: TxnRequest = { compare: [], success: [], failure: [] }
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 0x0a) txn.compare.push(decodeCompare(reader.bytes()))
    else if (tag === 0x12) txn.success.push(requestOpAt(reader.bytes(), depth))
    else if (tag === 0x1a) txn.failure.push(requestOpAt(reader.bytes(), depth))
    else reader.skip(tag)
  }
  return txn
}

/** Of several operations in one the last one counts. */
function requestOpAt(bytes: Uint8Array, depth: number): RequestOp {
  const reader = new ByteReader(bytes)
  let request: RequestOp['request']
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 0x0a) request = { $case: 'request_range', value: decodeRangeRequest(reader.bytes()) }
    else if (tag === 0x12) request = { $case: 'request_put', value: decodePutRequest(reader.bytes()) }
    else if (tag === 0x1a) request = { $case: 'request_delete_range', value: decodeDeleteRangeRequest(reader.bytes()) }
    else if (tag === 0x22) request = { $case: 'request_txn', value: txnAt(reader.bytes(), depth + 1) }
    else reader.skip(tag)
  }
  return { request }
}

function decodeCompare(bytes: Uint8Array): Compare {
  const reader = new ByteReader(bytes)
  const compare: Compare = { result: 0, target: 0, key: emptyBytes, target_union: undefined, range_end: emptyBytes }
  while (!reader.done) {
    const tag = reader.varint()
    if (tag === 0x08) compare.result = reader.int32() as Compare['result']
    else if (tag === 0x10) compare.target = reader.int32() as Compare['target']
    else if (tag === 0x1a) compare.key = reader.bytes()
    else if (tag === 0x20) compare.target_union = { $case: 'version', value: reader.int64() }
    else if (tag === 0x28) compare.target_union = { $case: 'create_revision', value: reader.int64() }
    else if (tag === 0x30) compare.target_union = { $case: 'mod_revision', value: reader.int64() }
    else if (tag === 0x3a) compare.target_union = { $case: 'value', value: reader.bytes() }
    else if (tag === 0x40) compare.target_union = { $case: 'lease', value: reader.int64() }
    else if (tag === rangeEndTag) compare.range_end = reader.bytes()
    else reader.skip(tag)
  }
  return compare
}

/** Field 64 of a compare. */
const rangeEndTag = (64 << 3) | 2
