import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { applyEntries, applyEntry } from '../../../src/apply/apply.ts'
import { InvariantError } from '../../../src/base/assert.ts'
import { leaseId } from '../../../src/base/ids.ts'
import { getLease, leaseKeys, listLeases } from '../../../src/lease/records.ts'
import { getApplied, getClusterId, getConfState, getRevision } from '../../../src/mvcc/meta.ts'
import type { Entry } from '../../../src/raft/types.ts'
import { Command_Kind } from '../../../src/wire/gen/internal.ts'
import { PutRequest, TxnRequest } from '../../../src/wire/gen/rpc.ts'
import { putRequests, txnRequests } from '../../support/arbitrary-requests.ts'
import { bytes, commandData, nestedTxn, putRequest, Store, self } from '../../support/commands.ts'

const putEntry = (index: number, key: string): Entry => ({
  term: 3,
  index,
  type: 'normal',
  data: commandData(Command_Kind.PUT, PutRequest.encode(putRequest({ key: bytes(key) })).finish()),
})

test('a fresh state is at revision 1 with nothing applied', () => {
  const { view } = new Store()
  assert.equal(getRevision(view), 1)
  assert.deepEqual(getApplied(view), { index: 0, term: 0 })
  assert.equal(getClusterId(view), 9n)
  assert.deepEqual(getConfState(view), { voters: [self], learners: [] })
})

test('each entry is applied exactly once, however often it comes', () => {
  const { view } = new Store()
  const entries = [putEntry(1, 'a'), putEntry(2, 'b'), putEntry(3, 'c')]
  assert.deepEqual(
    applyEntries(view, entries.slice(0, 2), () => true).map((applied) => applied.index),
    [1, 2],
  )
  const before = view.dump()
  assert.deepEqual(
    applyEntries(view, entries.slice(0, 2), () => true),
    [],
  )
  assert.equal(
    applyEntry(view, entries[1]!, () => true),
    null,
  )
  assert.deepEqual(view.dump(), before)
  assert.deepEqual(
    applyEntries(view, entries, () => true).map((applied) => applied.index),
    [3],
  )
  assert.deepEqual(getApplied(view), { index: 3, term: 3 })
  assert.equal(getRevision(view), 4)
})

test('a gap in the entries is a bug, not something to go on with', () => {
  const { view } = new Store()
  assert.throws(() => applyEntries(view, [putEntry(2, 'a')], () => true), InvariantError)
})

test('a no-op only moves the applied index', () => {
  const store = new Store()
  for (const type of ['normal', 'confChange'] as const) {
    const applied = store.entry({ type, data: new Uint8Array(0) })
    assert.deepEqual([applied.proposal, applied.outcome, applied.events.length], [null, null, 0])
  }
  assert.equal(getRevision(store.view), 1)
  assert.equal(getApplied(store.view).index, 2)
})

for (const { name, data, reason } of [
  { name: 'noise', data: bytes('\xff\xff\xff'), reason: 'invalidRequest' },
  { name: 'an unknown kind', data: commandData(99 as 1, new Uint8Array(0)), reason: 'invalidRequest' },
  { name: 'a put that is noise', data: commandData(Command_Kind.PUT, bytes('\x0a\x7fa')), reason: 'invalidRequest' },
  {
    name: 'a delete that is noise',
    data: commandData(Command_Kind.DELETE_RANGE, bytes('\x0a\x7fa')),
    reason: 'invalidRequest',
  },
  {
    name: 'a transaction that is noise',
    data: commandData(Command_Kind.TXN, bytes('\x12\x7fa')),
    reason: 'invalidRequest',
  },
  { name: 'a put without key', data: commandData(Command_Kind.PUT, new Uint8Array(0)), reason: 'emptyKey' },
  {
    name: 'a grant without id',
    data: commandData(Command_Kind.LEASE_GRANT, bytes('\x08\x05')),
    reason: 'leaseNotFound',
  },
  {
    name: 'a grant without TTL',
    data: commandData(Command_Kind.LEASE_GRANT, bytes('\x10\x05')),
    reason: 'invalidRequest',
  },
  {
    name: 'publishing a stranger',
    data: commandData(Command_Kind.PUBLISH_MEMBER, new Uint8Array(0)),
    reason: 'memberNotFound',
  },
]) {
  test(`refused, and nothing changed but the applied index: ${name}`, () => {
    const store = new Store()
    store.put({ key: bytes('a') })
    const before = store.view.dump().filter((line) => !line.startsWith(`meta ${hex('applied')}`))
    const { outcome, events } = store.entry({ type: 'normal', data })
    assert.deepEqual(outcome, { ok: false, revision: 2, reason })
    assert.deepEqual(events, [])
    assert.deepEqual(
      store.view.dump().filter((line) => !line.startsWith(`meta ${hex('applied')}`)),
      before,
    )
    assert.equal(getApplied(store.view).index, 2)
  })
}

const hex = (text: string): string => Buffer.from(text).toString('hex')

test('whatever bytes an entry has, applying it is a verdict and never a crash', () => {
  const noise = fc.oneof(
    fc.uint8Array({ maxLength: 60 }),
    fc
      .tuple(fc.nat(8), fc.uint8Array({ maxLength: 60, size: 'max' }))
      .map(([kind, request]) => commandData(kind as 1, request)),
    // A valid transaction with one byte changed.
    fc.tuple(txnRequests, fc.nat(), fc.nat(255)).map(([txn, at, byte]) => {
      const request = TxnRequest.encode(txn).finish()
      if (request.length > 0) request[at % request.length] = byte
      return commandData(Command_Kind.TXN, request)
    }),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.constantFrom('normal' as const, 'confChange' as const), noise), { maxLength: 10 }),
      (all) => {
        const store = new Store()
        for (const [type, data] of all) store.entry({ type, data })
        assert.equal(getApplied(store.view).index, all.length)
      },
    ),
    { numRuns: 500 },
  )
})

test('members that wait for answers and members that do not, and any batching, come to the same state and verdicts', () => {
  const entry = fc.oneof(
    putRequests.map((put) => commandData(Command_Kind.PUT, PutRequest.encode(put).finish())),
    txnRequests.map((txn) => commandData(Command_Kind.TXN, TxnRequest.encode(txn).finish())),
  )
  fc.assert(
    fc.property(fc.array(entry, { minLength: 1, maxLength: 30, size: 'max' }), fc.nat(30), (datas, cut) => {
      const entries = datas.map((data, i): Entry => ({ term: 1, index: i + 1, type: 'normal', data }))
      const one = new Store()
      const wanted = applyEntries(one.view, entries, () => true)
      const other = new Store()
      const unwanted = [
        ...applyEntries(other.view, entries.slice(0, cut), () => false),
        ...applyEntries(other.view, entries.slice(cut), () => false),
      ]
      assert.deepEqual(one.view.dump(), other.view.dump())
      const verdicts = (all: typeof wanted) =>
        all.map(({ index, outcome, events }) => [index, outcome!.ok || outcome!.reason, outcome!.revision, events])
      assert.deepEqual(verdicts(unwanted), verdicts(wanted))
      assert.ok(unwanted.every(({ outcome }) => !outcome!.ok || outcome!.body.length === 0))
    }),
    { numRuns: 200 },
  )
})

test('revoking a lease deletes its keys in key order as one revision, and none without keys', () => {
  const store = new Store()
  store.grant(5n, 60n)
  store.grant(6n, 60n)
  for (const key of ['c', 'a', 'b']) store.put({ key: bytes(key), lease: 5n })
  store.put({ key: bytes('b'), lease: 6n })
  const { events, outcome, leaseChanges } = store.revoke(5n)
  assert.deepEqual(
    events.map((event) => `${event.main}/${event.sub} ${event.type} ${Buffer.from(event.key)}`),
    ['6/0 delete a', '6/1 delete c'],
  )
  assert.equal(outcome!.revision, 6)
  assert.deepEqual(leaseChanges, [{ kind: 'revoked', id: 5n }])
  assert.equal(getLease(store.view, leaseId(5n)), null)
  assert.deepEqual(leaseKeys(store.view, leaseId(6n)).map(String), ['98'])
  store.grant(7n, 60n)
  assert.equal(store.revoke(7n).outcome!.revision, 6)
  assert.deepEqual(store.revoke(7n).outcome, { ok: false, revision: 6, reason: 'leaseNotFound' })
})

test('leases are listed with their TTL', () => {
  const store = new Store()
  store.grant(2n ** 63n - 1n, 9_000_000_000n)
  assert.deepEqual(store.grant(3n, 60n).leaseChanges, [{ kind: 'granted', id: 3n, ttlSeconds: 60 }])
  assert.equal((store.grant(3n, 60n).outcome as { reason: string }).reason, 'leaseExists')
  assert.equal((store.grant(4n, 9_000_000_001n).outcome as { reason: string }).reason, 'leaseTtlTooLarge')
  assert.deepEqual(listLeases(store.view), [
    { id: 3n, ttlSeconds: 60, checkpointSeconds: 0 },
    { id: 2n ** 63n - 1n, ttlSeconds: 9_000_000_000, checkpointSeconds: 0 },
  ])
})

test('a deeply nested transaction is refused, not a stack overflow', () => {
  const { outcome } = new Store().command(Command_Kind.TXN, nestedTxn(5000))
  assert.deepEqual(outcome, { ok: false, revision: 1, reason: 'tooManyOps' })
})
