import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Code, EtcdError } from '../../../src/errors.ts'
import { joinedAnswer } from '../../../src/service/answer.ts'
import { compact, deleteRange, put, range, txn } from '../../../src/service/kv.ts'
import type { Member } from '../../../src/service/member.ts'
import {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  type RequestOp,
  TxnRequest,
  TxnResponse,
} from '../../../src/wire/gen/rpc.ts'
import { bytes, nestedTxn } from '../../support/commands.ts'
import { fakeCall, liveCall } from '../../support/fake-call.ts'
import { LoneMember } from '../../support/lone-member.ts'

const utf8 = (text: string): Uint8Array => Buffer.from(text)
const none = new Uint8Array(0)

const putRequest = (key: string, value: string, more: Partial<PutRequest> = {}): PutRequest => ({
  ...PutRequest.decode(none),
  key: utf8(key),
  value: utf8(value),
  ...more,
})
const rangeRequest = (key: string, more: Partial<RangeRequest> = {}): RangeRequest => ({
  ...RangeRequest.decode(none),
  key: utf8(key),
  ...more,
})

const doPut = async (
  member: Member,
  key: string,
  value: string,
  more: Partial<PutRequest> = {},
): Promise<PutResponse> =>
  PutResponse.decode(await put(member, PutRequest.encode(putRequest(key, value, more)).finish(), liveCall))
const doRange = async (member: Member, key: string, more: Partial<RangeRequest> = {}): Promise<RangeResponse> =>
  RangeResponse.decode(
    joinedAnswer(await range(member, RangeRequest.encode(rangeRequest(key, more)).finish(), liveCall)),
  )
const doTxn = async (member: Member, success: RequestOp[], failure: RequestOp[] = []): Promise<TxnResponse> =>
  TxnResponse.decode(
    joinedAnswer(await txn(member, TxnRequest.encode({ compare: [], success, failure }).finish(), liveCall)),
  )

const getOp = (key: string, more: Partial<RangeRequest> = {}): RequestOp => ({
  request: { $case: 'request_range', value: rangeRequest(key, more) },
})
const putOp = (key: string, value: string): RequestOp => ({
  request: { $case: 'request_put', value: putRequest(key, value) },
})

const nestedOp = (op: RequestOp): RequestOp => ({
  request: { $case: 'request_txn', value: { compare: [], success: [op], failure: [] } },
})

/** The refusal of a call, whether it throws or rejects. */
async function refusal(call: () => unknown): Promise<string> {
  try {
    await call()
  } catch (error) {
    if (error instanceof EtcdError) return error.reason
    throw error
  }
  return 'not refused'
}

test('what is put can be read, with the header of the store at that moment', async () => {
  const member = new LoneMember()
  assert.equal((await doPut(member, 'a', '1')).header?.revision, 2n)
  const before = await doPut(member, 'a', '2', { prev_kv: true })
  assert.equal(String(before.prev_kv?.value), String(utf8('1')))
  const got = await doRange(member, 'a')
  assert.deepEqual(got.header, { cluster_id: 0xc1n, member_id: 0xa1n, revision: 3n, raft_term: 3n })
  assert.deepEqual([got.count, got.kvs[0]?.mod_revision, got.kvs[0]?.version], [1n, 3n, 2n])
})

test('a read waits for a barrier, a serializable one does not', async () => {
  const member = new LoneMember()
  await doRange(member, 'a', { serializable: true })
  assert.equal(member.barriers, 0)
  await doRange(member, 'a')
  assert.equal(member.barriers, 1)
  member.barrierError = new EtcdError('timeout')
  assert.equal(await refusal(() => doRange(member, 'a')), 'timeout')
  await doRange(member, 'a', { serializable: true })
})

test('a read that waited does nothing for a caller who has gone', async () => {
  const member = new LoneMember()
  const request = RangeRequest.encode(rangeRequest('a')).finish()
  const onlyRead = TxnRequest.encode({ compare: [], success: [getOp('a')], failure: [] }).finish()
  for (const read of [range, txn] as const) {
    const call = fakeCall()
    const answer = read(member, read === range ? request : onlyRead, call)
    call.end()
    await assert.rejects(async () => await answer, { name: 'StatusError', code: Code.Canceled })
  }
})

test('a request is measured with what replication adds to it, as etcd does', async () => {
  const member = new LoneMember()
  const empty = PutRequest.encode(putRequest('a', 'v'.repeat(member.info.maxRequestBytes / 2))).finish().length
  const most = member.info.maxRequestBytes - 18
  const value = (length: number) => 'v'.repeat(member.info.maxRequestBytes / 2 + length - empty)
  assert.equal((await doPut(member, 'a', value(most))).header?.revision, 2n)
  assert.equal(await refusal(() => doPut(member, 'a', value(most + 1))), 'requestTooLarge')
})

test('bytes that are no request are named so in the code of a gRPC server', async () => {
  const member = new LoneMember()
  const noise = bytes('\x0a\x7fa')
  for (const call of [range, put, deleteRange, txn, compact]) {
    await assert.rejects(async () => await call(member, noise, liveCall), { name: 'StatusError', code: Code.Internal })
  }
})

test('the log gets the very bytes that the client sent', async () => {
  const member = new LoneMember()
  const unknownField = [0xf8, 0x07, 0x01]
  const bytes = Buffer.concat([Buffer.from(unknownField), PutRequest.encode(putRequest('a', '1')).finish()])
  await put(member, bytes, liveCall)
  assert.equal(member.proposed.length, 1)
  assert.deepEqual(member.proposed[0], { kind: 'put', request: bytes })
})

test('the verdict of a write is thrown', async () => {
  const member = new LoneMember()
  assert.equal(await refusal(() => doPut(member, 'a', '1', { lease: 9n })), 'leaseNotFound')
  assert.equal(
    await refusal(() =>
      compact(member, CompactionRequest.encode({ revision: 99n, physical: false }).finish(), liveCall),
    ),
    'futureRevision',
  )
})

for (const { name, call, reason } of [
  { name: 'range without a key', call: (m: Member) => doRange(m, ''), reason: 'emptyKey' },
  { name: 'put without a key', call: (m: Member) => doPut(m, '', '1'), reason: 'emptyKey' },
  {
    name: 'delete without a key',
    call: (m: Member) =>
      deleteRange(m, DeleteRangeRequest.encode({ key: none, range_end: none, prev_kv: false }).finish(), liveCall),
    reason: 'emptyKey',
  },
  {
    name: 'put with a value to ignore',
    call: (m: Member) => doPut(m, 'a', '1', { ignore_value: true }),
    reason: 'valueProvided',
  },
  {
    name: 'put too large',
    call: (m: Member) => doPut(m, 'a', 'v'.repeat(m.info.maxRequestBytes)),
    reason: 'requestTooLarge',
  },
  {
    name: 'txn too large',
    call: (m: Member) => doTxn(m, [putOp('a', 'v'.repeat(m.info.maxRequestBytes))]),
    reason: 'requestTooLarge',
  },
  {
    name: 'too many operations',
    call: (m: Member) =>
      doTxn(
        m,
        Array.from({ length: m.info.maxTxnOps + 1 }, (_, i) => putOp(`k${i}`, '1')),
      ),
    reason: 'tooManyOps',
  },
  {
    name: 'transactions nested a hundred deep',
    call: (m: Member) => txn(m, nestedTxn(100), liveCall),
    reason: 'tooManyOps',
  },
  {
    name: 'the same key twice',
    call: (m: Member) => doTxn(m, [putOp('a', '1'), putOp('a', '2')]),
    reason: 'duplicateKey',
  },
]) {
  test(`refused before it reaches the log: ${name}`, async () => {
    const member = new LoneMember()
    assert.equal(await refusal(() => call(member)), reason)
    assert.deepEqual([member.proposed, member.barriers], [[], 0])
  })
}

for (const { name, success, failure, proposed, barriers } of [
  { name: 'ranges', success: [getOp('a')], failure: [], proposed: 0, barriers: 1 },
  {
    name: 'serializable ranges',
    success: [getOp('a', { serializable: true })],
    failure: [getOp('b', { serializable: true })],
    proposed: 0,
    barriers: 0,
  },
  {
    name: 'one range that is not serializable, in the other branch',
    success: [getOp('a', { serializable: true })],
    failure: [getOp('b')],
    proposed: 0,
    barriers: 1,
  },
  { name: 'nothing', success: [], failure: [], proposed: 0, barriers: 1 },
  { name: 'a put in the other branch', success: [getOp('a')], failure: [putOp('b', '1')], proposed: 1, barriers: 0 },
  {
    name: 'a nested transaction of ranges',
    success: [nestedOp(getOp('a'))],
    failure: [],
    proposed: 1,
    barriers: 0,
  },
]) {
  test(`way of a transaction of ${name}`, async () => {
    const member = new LoneMember()
    const response = await doTxn(member, success, failure)
    assert.equal(response.succeeded, true)
    assert.equal(response.responses.length, success.length)
    assert.deepEqual([member.proposed.length, member.barriers], [proposed, barriers])
  })
}

test('a read-only transaction sees one state and has its revision', async () => {
  const member = new LoneMember()
  await doPut(member, 'a', '1')
  const response = await doTxn(member, [getOp('a'), getOp('b')])
  assert.equal(response.header?.revision, 2n)
  const counts = response.responses.map(({ response: one }) =>
    one?.$case === 'response_range' ? one.value.count : -1n,
  )
  assert.deepEqual(counts, [1n, 0n])
  assert.equal(await refusal(() => doTxn(member, [getOp('a', { revision: 99n })])), 'futureRevision')
})

test('delete and compaction answer with what they did', async () => {
  const member = new LoneMember()
  await doPut(member, 'a', '1')
  await doPut(member, 'b', '1')
  const request = DeleteRangeRequest.encode({ key: utf8('a'), range_end: utf8('c'), prev_kv: true }).finish()
  const deleted = DeleteRangeResponse.decode(await deleteRange(member, request, liveCall))
  assert.deepEqual([deleted.deleted, deleted.prev_kvs.length, deleted.header?.revision], [2n, 2, 4n])
  const compacted = CompactionResponse.decode(
    await compact(member, CompactionRequest.encode({ revision: 3n, physical: true }).finish(), liveCall),
  )
  assert.equal(compacted.header?.revision, 4n)
  assert.equal(await refusal(() => doRange(member, 'a', { revision: 2n })), 'compacted')
})

test('a learner answers serializable reads only', async () => {
  const member = new LoneMember()
  member.view = { get: () => Uint8Array.of(0x28, 1), scan: () => [], count: () => 0 }
  assert.equal(await refusal(() => doRange(member, 'a')), 'notSupportedForLearner')
})
