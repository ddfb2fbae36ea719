import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leaseId } from '../../../src/base/ids.ts'
import { limits } from '../../../src/base/limits.ts'
import { checkpointed, checkpointsDue, clearing } from '../../../src/lease/checkpoints.ts'
import { createLessor, due, granted, remaining, renew } from '../../../src/lease/lessor.ts'
import { promote } from '../../support/promote.ts'

const id = leaseId(1n)
const checkpointMs = 300_000
const minute = 60_000
const lessorAt = (ttlSeconds: number) => {
  const lessor = createLessor({ checkpointMs })
  granted(lessor, id, ttlSeconds, 0)
  return lessor
}

test('nothing is checkpointed where checkpoints are off, nor for a lease of one interval', () => {
  const off = createLessor()
  granted(off, id, 10_000, 0)
  assert.deepEqual(checkpointsDue(off, 9_000_000), [])
  assert.deepEqual(checkpointsDue(lessorAt(300), 299_999), [])
})

test('the log is never wrong by more than an interval and the rounding', () => {
  const lessor = lessorAt(1000)
  assert.deepEqual(checkpointsDue(lessor, checkpointMs - 1), [])
  assert.deepEqual(checkpointsDue(lessor, checkpointMs + 100), [{ id, remainingSeconds: 700 }])
  assert.deepEqual(checkpointsDue(lessor, 2 * checkpointMs - 1), [])
  assert.deepEqual(checkpointsDue(lessor, 2 * checkpointMs), [{ id, remainingSeconds: 400 }])
  assert.deepEqual(checkpointsDue(lessor, 3 * checkpointMs), [{ id, remainingSeconds: 100 }])
  assert.deepEqual(checkpointsDue(lessor, 4 * checkpointMs), [], 'expired')
})

test('a lease that is renewed more often than the interval needs no checkpoints', () => {
  const lessor = lessorAt(600)
  for (let now = minute; now < 100 * minute; now += 4 * minute) {
    assert.deepEqual(checkpointsDue(lessor, now), [])
    assert.deepEqual(renew(lessor, id, now), { kind: 'renewed', ttlSeconds: 600, clear: 'no' })
  }
})

test('a renewal after a checkpoint is to take it back, and no other one is made meanwhile', () => {
  const lessor = lessorAt(600)
  assert.deepEqual(checkpointsDue(lessor, checkpointMs), [{ id, remainingSeconds: 300 }])
  assert.equal(checkpointed(lessor, { id, remainingSeconds: 300 }), false)
  const now = checkpointMs + minute
  assert.deepEqual(renew(lessor, id, now), { kind: 'renewed', ttlSeconds: 600, clear: 'needed' })
  assert.deepEqual(renew(lessor, id, now), { kind: 'renewed', ttlSeconds: 600, clear: 'needed' }, 'not proposed yet')
  clearing(lessor, id, now)
  assert.deepEqual(renew(lessor, id, now), { kind: 'renewed', ttlSeconds: 600, clear: 'underWay' })
  assert.deepEqual(checkpointsDue(lessor, now + checkpointMs), [])
  assert.equal(checkpointed(lessor, { id, remainingSeconds: 0 }), false)
  assert.deepEqual(renew(lessor, id, now + 1), { kind: 'renewed', ttlSeconds: 600, clear: 'no' })
  assert.deepEqual(checkpointsDue(lessor, now + 1 + 2 * checkpointMs - minute), [{ id, remainingSeconds: 60 }])
})

test('a checkpoint that is still on the way is taken back as well', () => {
  const lessor = lessorAt(600)
  checkpointsDue(lessor, checkpointMs)
  assert.deepEqual(renew(lessor, id, checkpointMs + 1), { kind: 'renewed', ttlSeconds: 600, clear: 'needed' })
  clearing(lessor, id, checkpointMs + 1)
  assert.equal(checkpointed(lessor, { id, remainingSeconds: 300 }), false, 'the clearing comes after it in the log')
})

test('a checkpoint that meets a later lease with the same id is to be taken back', () => {
  const lessor = lessorAt(600)
  checkpointsDue(lessor, checkpointMs)
  granted(lessor, id, 900, checkpointMs + 1)
  assert.equal(checkpointed(lessor, { id, remainingSeconds: 300 }), true)
  assert.deepEqual(renew(lessor, id, checkpointMs + 2), { kind: 'renewed', ttlSeconds: 900, clear: 'needed' })
})

test('a new leader gives a lease what its checkpoint says, and the extension', () => {
  const lessor = createLessor({ checkpointMs })
  const other = leaseId(2n)
  const records = [
    { id, ttlSeconds: 6000, checkpointSeconds: 700 },
    { id: other, ttlSeconds: 800, checkpointSeconds: 0 },
  ]
  promote(lessor, 0, records, 1500)
  assert.equal(remaining(lessor, id, 0), 701)
  assert.equal(remaining(lessor, other, 0), 801)
  assert.deepEqual(due(lessor, 701_499), [])
  assert.deepEqual(checkpointsDue(lessor, checkpointMs + 1499), [])
  assert.deepEqual(checkpointsDue(lessor, checkpointMs + 1500), [
    { id, remainingSeconds: 400 },
    { id: other, remainingSeconds: 500 },
  ])
  assert.deepEqual(renew(lessor, id, checkpointMs + 1501), { kind: 'renewed', ttlSeconds: 6000, clear: 'needed' })
  assert.deepEqual(due(lessor, 801_500), [other])
})

test('leases are checkpointed in batches', () => {
  const lessor = createLessor({ checkpointMs })
  const count = limits.leaseCheckpointBatchMax + 10
  for (let i = 1; i <= count; i++) granted(lessor, leaseId(BigInt(i)), 600, 0)
  assert.equal(checkpointsDue(lessor, checkpointMs).length, limits.leaseCheckpointBatchMax)
  assert.equal(checkpointsDue(lessor, checkpointMs).length, 10)
  assert.equal(checkpointsDue(lessor, checkpointMs).length, 0)
})
