import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leaseId } from '../../../src/base/ids.ts'
import { encodeExpiries, idsByExpiry } from '../../../src/lease/expiry-list.ts'
import { createLessor, granted, renew } from '../../../src/lease/lessor.ts'
import { allAtOnce } from '../../../src/mvcc/steps.ts'

test('those first that expire first, equal ones as they were granted, with ids of any sign', () => {
  const lessor = createLessor()
  for (const [id, ttl] of [
    [5n, 60],
    [-(1n << 63n), 30],
    [(1n << 63n) - 1n, 60],
    [-1n, 10],
    [2n, 60],
  ] as const)
    granted(lessor, leaseId(id), ttl, 0)
  const list = (): bigint[] => allAtOnce(idsByExpiry(encodeExpiries(lessor)))
  assert.deepEqual(list(), [-1n, -(1n << 63n), 5n, (1n << 63n) - 1n, 2n])
  renew(lessor, leaseId(5n), 1)
  assert.deepEqual(list(), [-1n, -(1n << 63n), (1n << 63n) - 1n, 2n, 5n])
})

test('a list is read wherever it lies in its buffer', () => {
  const lessor = createLessor()
  granted(lessor, leaseId(7n), 60, 0)
  const rows = encodeExpiries(lessor)
  const moved = new Uint8Array(rows.length + 3).subarray(3)
  moved.set(rows)
  assert.deepEqual(allAtOnce(idsByExpiry(moved)), [7n])
  assert.deepEqual(allAtOnce(idsByExpiry(new Uint8Array(0))), [])
})
