import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RequestOp } from '../../../src/wire/gen/rpc.ts'
import { isRefusedByEtcd } from '../../differential/etcd-overlap.ts'
import { bytes, deleteRequest, putRequest, txnRequest } from '../../support/commands.ts'

const put = (key: string): RequestOp => ({
  request: { $case: 'request_put', value: putRequest({ key: bytes(key), value: bytes('v') }) },
})
const del = (key: string, end = ''): RequestOp => ({
  request: { $case: 'request_delete_range', value: deleteRequest({ key: bytes(key), range_end: bytes(end) }) },
})
const txn = (success: RequestOp[], failure: RequestOp[] = []): RequestOp => ({
  request: { $case: 'request_txn', value: txnRequest({ success, failure }) },
})

/** What etcd 3.4.23 was seen to answer. */
for (const { name, branch, refused } of [
  { name: 'two puts of a key', branch: [put('a'), put('a')], refused: true },
  { name: 'a delete and a put of a key', branch: [put('a'), del('a')], refused: true },
  { name: 'two deletes of a key', branch: [del('a'), del('a', 'c')], refused: false },
  { name: 'a put in a range', branch: [del('a', 'c'), put('b')], refused: true },
  { name: 'a put above a range to the end', branch: [del('a', '\0'), put('b')], refused: false },
  { name: 'both branches put', branch: [txn([put('a')], [put('a')])], refused: false },
  { name: 'a put and a nested put', branch: [txn([put('a')]), put('a')], refused: true },
  { name: 'nested delete, then nested put', branch: [txn([del('a')]), txn([put('a')])], refused: true },
  { name: 'nested put, then nested delete', branch: [txn([put('a')]), txn([del('a')])], refused: false },
]) {
  test(`${name}: ${refused ? 'refused' : 'taken'}`, () => assert.equal(isRefusedByEtcd(branch, false), refused))
}

test('a range to the end is one when asked to see it', () => {
  assert.equal(isRefusedByEtcd([del('a', '\0'), put('b')], true), true)
})
