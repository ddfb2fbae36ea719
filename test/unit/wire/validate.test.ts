import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import { EtcdError, type EtcdErrorReason } from '../../../src/errors.ts'
import type { Compare, RequestOp, TxnRequest } from '../../../src/wire/gen/rpc.ts'
import { checkDeleteRange, checkLeaseGrant, checkPut, checkRange, checkTxn } from '../../../src/wire/validate.ts'
import { bytes, deleteRequest, putRequest, rangeRequest, txnRequest } from '../../support/commands.ts'

const verdict = (check: () => void): EtcdErrorReason | 'ok' => {
  try {
    check()
    return 'ok'
  } catch (error) {
    if (error instanceof EtcdError) return error.reason
    throw error
  }
}

const put = (key: string): RequestOp => ({ request: { $case: 'request_put', value: putRequest({ key: bytes(key) }) } })
const del = (key: string, end = ''): RequestOp => ({
  request: { $case: 'request_delete_range', value: deleteRequest({ key: bytes(key), range_end: bytes(end) }) },
})
const get = (key: string): RequestOp => ({
  request: { $case: 'request_range', value: rangeRequest({ key: bytes(key) }) },
})
const nested = (success: RequestOp[], failure: RequestOp[] = []): RequestOp => ({
  request: { $case: 'request_txn', value: txnRequest({ success, failure }) },
})
const compare = (fields: Partial<Compare>): Compare => ({
  result: 0,
  target: 0,
  key: bytes('a'),
  target_union: undefined,
  range_end: bytes(''),
  ...fields,
})
const times = (count: number): RequestOp[] => Array.from({ length: count }, (_, i) => put(`${i}`))
const nestedCompares = (count: number): RequestOp => ({
  request: { $case: 'request_txn', value: txnRequest({ compare: Array(count).fill(compare({})) }) },
})
const wide = (count: number, each: number): RequestOp[] =>
  Array.from({ length: count }, () => nested(Array(each).fill(get('a'))))
const deep = (depth: number): RequestOp => (depth === 0 ? put('a') : nested([deep(depth - 1)]))

const a = bytes('a')
for (const { name, check, want } of [
  { name: 'range without key', check: () => checkRange(rangeRequest({})), want: 'emptyKey' },
  { name: 'range', check: () => checkRange(rangeRequest({ key: a })), want: 'ok' },
  {
    name: 'sort target 5',
    check: () => checkRange(rangeRequest({ key: a, sort_target: 5 as 4 })),
    want: 'invalidSortOption',
  },
  {
    name: 'sort target -1',
    check: () => checkRange(rangeRequest({ key: a, sort_target: -1 as 4 })),
    want: 'invalidSortOption',
  },
  {
    name: 'sort order 3',
    check: () => checkRange(rangeRequest({ key: a, sort_order: 3 as 2 })),
    want: 'invalidSortOption',
  },
  { name: 'put without key', check: () => checkPut(putRequest({})), want: 'emptyKey' },
  {
    name: 'ignore_value with value',
    check: () => checkPut(putRequest({ key: a, value: a, ignore_value: true })),
    want: 'valueProvided',
  },
  {
    name: 'ignore_lease with lease',
    check: () => checkPut(putRequest({ key: a, lease: 1n, ignore_lease: true })),
    want: 'leaseProvided',
  },
  { name: 'delete without key', check: () => checkDeleteRange(deleteRequest({})), want: 'emptyKey' },
  { name: 'grant at the TTL limit', check: () => checkLeaseGrant({ ID: 1n, TTL: 9_000_000_000n }), want: 'ok' },
  { name: 'grant beyond it', check: () => checkLeaseGrant({ ID: 1n, TTL: 9_000_000_001n }), want: 'leaseTtlTooLarge' },
  { name: 'grant of a negative id', check: () => checkLeaseGrant({ ID: -1n, TTL: 9n }), want: 'ok' },
] as const) {
  test(`requests: ${name}`, () => assert.equal(verdict(check), want))
}

for (const { name, txn, maxTxnOps, want } of [
  { name: 'empty', txn: {}, want: 'ok' },
  { name: 'operations at the limit', txn: { success: times(4) }, maxTxnOps: 4, want: 'ok' },
  { name: 'operations beyond it', txn: { failure: times(5) }, maxTxnOps: 4, want: 'tooManyOps' },
  { name: 'compares beyond it', txn: { compare: Array(5).fill(compare({})) }, maxTxnOps: 4, want: 'tooManyOps' },
  { name: 'nested within what is left', txn: { success: [nested(times(3))] }, maxTxnOps: 4, want: 'ok' },
  { name: 'nested beyond it', txn: { success: [nested(times(4))] }, maxTxnOps: 4, want: 'tooManyOps' },
  { name: 'many paths, each within the limit', txn: { success: wide(99, 100) }, maxTxnOps: 200, want: 'ok' },
  { name: 'too many paths', txn: { success: wide(100, 100) }, maxTxnOps: 200, want: 'tooManyOps' },
  {
    name: 'too many compares on all paths',
    txn: { success: Array.from({ length: 100 }, () => nestedCompares(100)) },
    maxTxnOps: 200,
    want: 'tooManyOps',
  },
  { name: 'as many paths as are allowed on one', txn: { success: wide(100, 100) }, maxTxnOps: 20_000, want: 'ok' },
  { name: 'any number of paths at apply', txn: { success: wide(100, 200) }, want: 'ok' },
  { name: 'no limit at apply', txn: { success: times(10_000) }, want: 'ok' },
  { name: 'operation without content', txn: { success: [{ request: undefined }] }, want: 'keyNotFound' },
  { name: 'put without key', txn: { success: [put('')] }, want: 'emptyKey' },
  { name: 'range without key', txn: { failure: [nested([], [get('')])] }, want: 'emptyKey' },
  { name: 'compare without key', txn: { compare: [compare({ key: bytes('') })] }, want: 'emptyKey' },
  { name: 'unknown compare target', txn: { compare: [compare({ target: 5 as 4 })] }, want: 'invalidRequest' },
  { name: 'unknown compare result', txn: { compare: [compare({ result: -1 as 0 })] }, want: 'invalidRequest' },
  { name: 'deepest nesting', txn: { success: [deep(limits.txnDepthMax - 1)] }, want: 'ok' },
  { name: 'one deeper', txn: { success: [deep(limits.txnDepthMax)] }, want: 'tooManyOps' },
  { name: 'same key put twice', txn: { success: [put('a'), put('b'), put('a')] }, want: 'duplicateKey' },
  { name: 'same key in both branches', txn: { success: [put('a')], failure: [put('a')] }, want: 'ok' },
  { name: 'put inside a delete', txn: { success: [del('a', 'c'), put('b')] }, want: 'duplicateKey' },
  { name: 'put at the end of a delete', txn: { success: [del('a', 'c'), put('c')] }, want: 'ok' },
  { name: 'put of a deleted key', txn: { success: [put('a'), del('a')] }, want: 'duplicateKey' },
  {
    name: 'put inside a delete of all keys from one on',
    txn: { success: [del('a', '\0'), put('b')] },
    want: 'duplicateKey',
  },
  { name: 'put inside an inverted range', txn: { success: [del('c', 'a'), put('b')] }, want: 'ok' },
  { name: 'overlapping deletes', txn: { success: [del('a', 'c'), del('b'), del('a', '\0')] }, want: 'ok' },
  { name: 'nested put of an outer key', txn: { success: [put('a'), nested([], [put('a')])] }, want: 'duplicateKey' },
  {
    name: 'nested put inside an outer delete',
    txn: { success: [nested([put('b')]), del('a', 'c')] },
    want: 'duplicateKey',
  },
  {
    name: 'outer put inside a nested delete',
    txn: { success: [nested([nested([del('a', 'c')])]), put('b')] },
    want: 'duplicateKey',
  },
  { name: 'both branches of one nested', txn: { success: [nested([put('a')], [put('a')])] }, want: 'ok' },
  { name: 'delete in one branch, put in the other', txn: { success: [nested([put('a')], [del('a')])] }, want: 'ok' },
  { name: 'within one nested branch', txn: { success: [nested([put('a'), put('a')])] }, want: 'duplicateKey' },
  { name: 'two nested', txn: { success: [nested([put('a')]), nested([], [put('a')])] }, want: 'duplicateKey' },
  { name: 'a range reads what it likes', txn: { success: [put('a'), get('a'), get('a')] }, want: 'ok' },
] satisfies { name: string; txn: Partial<TxnRequest>; maxTxnOps?: number; want: string }[] as {
  name: string
  txn: Partial<TxnRequest>
  maxTxnOps?: number
  want: string
}[]) {
  test(`transactions: ${name}`, () => {
    const check = () => checkTxn(txnRequest(txn), maxTxnOps === undefined ? undefined : { maxTxnOps })
    assert.equal(verdict(check), want)
  })
}
