import assert from 'node:assert/strict'
import { test } from 'node:test'
import { applyEntries } from '../../../src/apply/apply.ts'
import { limits } from '../../../src/base/limits.ts'
import type { Entry } from '../../../src/raft/types.ts'
import { Command_Kind } from '../../../src/wire/gen/internal.ts'
import { DeleteRangeRequest, type RequestOp, TxnRequest } from '../../../src/wire/gen/rpc.ts'
import {
  bytes,
  commandData,
  deleteRequest,
  putRequest,
  rangeRequest,
  Store,
  txnRequest,
} from '../../support/commands.ts'

const valueBytes = 4 * 1024 * 1024
const everything = { key: bytes('a'), range_end: bytes('z') }
const rangeOp: RequestOp = { request: { $case: 'request_range', value: rangeRequest(everything) } }
const putOp = (key: string): RequestOp => ({
  request: { $case: 'request_put', value: putRequest({ key: bytes(key), value: bytes('1') }) },
})
const nested = (...success: RequestOp[]): RequestOp => ({
  request: { $case: 'request_txn', value: txnRequest({ success }) },
})
const times = (count: number, op: RequestOp): RequestOp[] => Array.from({ length: count }, () => op)
const txnData = (...success: RequestOp[]): Uint8Array =>
  commandData(Command_Kind.TXN, TxnRequest.encode(txnRequest({ success })).finish())

function filled(keys: number): Store {
  const store = new Store()
  for (let n = 0; n < keys; n++) store.put({ key: bytes(`k${n}`), value: Buffer.alloc(valueBytes) })
  return store
}

const tooOften = Math.ceil(limits.writeAnswersBytesMax / (2 * valueBytes)) + 1
for (const [name, data] of Object.entries({
  'of many ranges': txnData(putOp('zz'), ...times(tooOften, rangeOp), putOp('zy')),
  'of nested transactions': txnData(
    putOp('zz'),
    nested(nested(...times(tooOften - 2, rangeOp)), ...times(2, rangeOp)),
    putOp('zy'),
  ),
}))
  test(`a transaction ${name} whose answer is too large is carried out and refused an answer; the next ones are not`, () => {
    const store = filled(2)
    const small = txnData(putOp('zx'), rangeOp)
    const entries = [data, small, data].map((each, n): Entry => {
      return { term: 1, index: store.index + n + 1, type: 'normal', data: each }
    })
    const other = filled(2)
    const [large, next, again] = applyEntries(store.view, entries, () => true)
    assert.deepEqual(large!.outcome, { ok: false, revision: 4, reason: 'responseTooLarge' })
    assert.equal(large!.events.length, 2)
    assert.ok(next!.outcome?.ok && next!.outcome.body.length > 2 * valueBytes)
    assert.equal(again!.outcome?.ok, false)
    // Where nobody waits for the answers the same is done.
    const unwanted = applyEntries(other.view, entries, () => false)
    assert.ok(unwanted.every(({ outcome }) => outcome?.ok))
    assert.deepEqual(other.view.dump(), store.view.dump())
  })

test('a deletion of more than can be returned is carried out and refused an answer', () => {
  const keys = limits.writeAnswersBytesMax / valueBytes + 1
  const store = filled(keys)
  const data = commandData(
    Command_Kind.DELETE_RANGE,
    DeleteRangeRequest.encode(deleteRequest({ ...everything, prev_kv: true })).finish(),
  )
  const { outcome, events } = store.entry({ type: 'normal', data })
  assert.deepEqual(outcome, { ok: false, revision: keys + 2, reason: 'responseTooLarge' })
  assert.equal(events.length, keys)
})
