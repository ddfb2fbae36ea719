import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Applied } from '../../../src/apply/apply.ts'
import { leaseId } from '../../../src/base/ids.ts'
import { getLease } from '../../../src/lease/records.ts'
import { getRevision } from '../../../src/mvcc/meta.ts'
import { Command_Kind, LeaseCheckpoints } from '../../../src/wire/gen/internal.ts'
import { commandData, Store } from '../../support/commands.ts'

const id = leaseId(7n)

function checkpoint(store: Store, ...checkpoints: readonly (readonly [bigint, bigint])[]): Applied {
  const rows = checkpoints.map(([id, remaining_seconds]) => ({ id, remaining_seconds }))
  const request = LeaseCheckpoints.encode({ checkpoints: rows }).finish()
  return store.entry({ type: 'normal', data: commandData(Command_Kind.LEASE_CHECKPOINT, request) })
}

test('a checkpoint stays with its lease until it is taken back, and moves no revision', () => {
  const store = new Store()
  store.grant(id, 600n)
  assert.deepEqual(checkpoint(store, [id, 300n]).leaseChanges, [{ kind: 'checkpointed', id, remainingSeconds: 300 }])
  assert.deepEqual(getLease(store.view, id), { id, ttlSeconds: 600, checkpointSeconds: 300 })
  checkpoint(store, [id, 0n])
  assert.deepEqual(getLease(store.view, id), { id, ttlSeconds: 600, checkpointSeconds: 0 })
  assert.equal(getRevision(store.view), 1)
})

test('leases that are gone, and times that cannot be, are left out', () => {
  const store = new Store()
  store.grant(id, 600n)
  const checkpoints = [
    [99n, 5n],
    [id, -1n],
    [id, 601n],
    [id, 1n << 62n],
  ] as const
  const { outcome, leaseChanges } = checkpoint(store, ...checkpoints)
  assert.deepEqual([outcome?.ok, leaseChanges], [true, []])
  assert.deepEqual(getLease(store.view, id), { id, ttlSeconds: 600, checkpointSeconds: 0 })
  assert.equal(getLease(store.view, leaseId(99n)), null)
})

test('a lease that is granted again has no checkpoint', () => {
  const store = new Store()
  store.grant(id, 600n)
  checkpoint(store, [id, 300n])
  store.revoke(id)
  store.grant(id, 900n)
  assert.deepEqual(getLease(store.view, id), { id, ttlSeconds: 900, checkpointSeconds: 0 })
})
