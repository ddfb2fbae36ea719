import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type LeaseId, leaseId } from '../../../src/base/ids.ts'
import { limits } from '../../../src/base/limits.ts'
import {
  createLessor,
  demote,
  due,
  granted,
  type Lessor,
  remaining,
  renew,
  revoked,
} from '../../../src/lease/lessor.ts'
import { promote } from '../../support/promote.ts'

const id = leaseId(1n)

/** What a renewal says: the TTL, or why not. */
function renewed(lessor: Lessor, id: LeaseId, nowMs: number): number | 'expired' | 'unknown' {
  const renewal = renew(lessor, id, nowMs)
  return renewal.kind === 'renewed' ? renewal.ttlSeconds : renewal.kind
}

test('a granted lease is due when its TTL has passed, and not before', () => {
  const lessor = createLessor()
  granted(lessor, id, 5, 1000)
  assert.deepEqual(due(lessor, 5999), [])
  assert.equal(remaining(lessor, id, 3500), 2)
  assert.deepEqual(due(lessor, 6000), [id])
})

test('renewing starts the TTL again', () => {
  const lessor = createLessor()
  granted(lessor, id, 5, 0)
  assert.equal(renewed(lessor, id, 4999), 5)
  assert.deepEqual(due(lessor, 5000), [])
  assert.equal(remaining(lessor, id, 5000), 4)
  assert.deepEqual(due(lessor, 9998), [])
  assert.deepEqual(due(lessor, 9999), [id])
})

test('no renewal for a lease that is unknown, has expired, is being revoked or is gone', () => {
  const lessor = createLessor()
  assert.equal(renewed(lessor, id, 0), 'unknown')
  assert.equal(remaining(lessor, id, 0), null)
  granted(lessor, id, 5, 0)
  assert.equal(renewed(lessor, id, 5000), 'expired', 'before anybody asked what is due')
  assert.deepEqual(due(lessor, 5000), [id])
  assert.equal(renewed(lessor, id, 5001), 'expired')
  assert.equal(remaining(lessor, id, 5001), 0)
  revoked(lessor, id)
  assert.equal(remaining(lessor, id, 5001), null)
  assert.deepEqual(due(lessor, 100_000), [])
})

test('a revocation that does not come through is asked for again after 3 s', () => {
  const lessor = createLessor()
  granted(lessor, id, 1, 0)
  assert.deepEqual(due(lessor, 1000), [id])
  assert.deepEqual(due(lessor, 3999), [])
  assert.deepEqual(due(lessor, 4000), [id])
})

test('an id that is granted again after its revocation lives its own time', () => {
  const lessor = createLessor()
  granted(lessor, id, 1, 0)
  revoked(lessor, id)
  granted(lessor, id, 10, 500)
  assert.deepEqual(due(lessor, 1000), [])
  assert.deepEqual(due(lessor, 10_499), [])
  assert.deepEqual(due(lessor, 10_500), [id])
})

test('revocations are asked for at no more than the rate, the longest expired first', () => {
  const lessor = createLessor({ revokesPerSecond: 100 })
  for (let i = 1; i <= 200; i++) granted(lessor, leaseId(BigInt(i)), 1, i)
  const first = due(lessor, 5000)
  assert.deepEqual(
    first,
    Array.from({ length: 50 }, (_, i) => BigInt(i + 1)),
  )
  assert.equal(due(lessor, 5000).length, 0)
  assert.deepEqual(
    due(lessor, 5100),
    Array.from({ length: 10 }, (_, i) => BigInt(i + 51)),
  )
  for (const one of first) revoked(lessor, one)
  assert.equal(due(lessor, 7000).length, 50, 'quiet time does not add up beyond the burst')
})

test('no more revocations are asked for while too many have not come through', () => {
  const lessor = createLessor()
  const ids = Array.from({ length: 100 }, (_, i) => leaseId(BigInt(i + 1)))
  for (const one of ids) granted(lessor, one, 1, 0)
  const { leaseRevokesInFlightMax } = limits
  assert.deepEqual(due(lessor, 1000), ids.slice(0, leaseRevokesInFlightMax))
  assert.deepEqual(due(lessor, 2000), [])
  revoked(lessor, ids[0]!)
  assert.deepEqual(due(lessor, 2000), [ids[leaseRevokesInFlightMax]])
  demote(lessor)
  granted(lessor, id, 1, 3000)
  assert.deepEqual(due(lessor, 4000), [id], 'those of an earlier term do not count')
})

test('an expired lease that somebody wants to renew is revoked before those that expired earlier', () => {
  const lessor = createLessor({ revokesPerSecond: 4 })
  for (let i = 1; i <= 10; i++) granted(lessor, leaseId(BigInt(i)), 1, i)
  assert.equal(renewed(lessor, leaseId(9n), 2000), 'expired')
  assert.equal(renewed(lessor, leaseId(9n), 2000), 'expired')
  assert.deepEqual(due(lessor, 2000), [9n, 1n])
  assert.deepEqual(due(lessor, 2250), [2n])
})

test('a new leader gives every lease its full TTL and the extension', () => {
  const lessor = createLessor()
  granted(lessor, leaseId(9n), 1, 0)
  promote(lessor, 10_000, [{ id, ttlSeconds: 5, checkpointSeconds: 0 }], 1500)
  assert.equal(remaining(lessor, leaseId(9n), 10_000), null, 'what it knew from an earlier term is void')
  assert.equal(remaining(lessor, id, 10_000), 6)
  assert.equal(renewed(lessor, id, 10_000), 5)
  assert.equal(remaining(lessor, id, 10_000), 6, 'a renewal does not shorten')
  assert.deepEqual(due(lessor, 16_499), [])
  assert.deepEqual(due(lessor, 16_500), [id])
  demote(lessor)
  assert.equal(remaining(lessor, id, 16_500), null)
})

test('a pile of leases is spread over time on promotion', () => {
  const lessor = createLessor({ revokesPerSecond: 1e9 })
  const leases = Array.from({ length: 3000 }, (_, i) => ({
    id: leaseId(BigInt(i + 1)),
    ttlSeconds: 2,
    checkpointSeconds: 0,
  }))
  promote(lessor, 0, leases, 0)
  assert.ok(due(lessor, 1999).length === 0)
  let total = 0
  for (let second = 0; second < 4; second++) {
    const now = 2000 + second * 1000 + 999
    let count = 0
    for (let ids = due(lessor, now); ids.length > 0; ids = due(lessor, now)) {
      assert.ok(ids.length <= limits.leaseRevokesInFlightMax)
      for (const one of ids) revoked(lessor, one)
      count += ids.length
    }
    assert.ok(count <= 751, `${count} in one second`)
    total += count
  }
  assert.equal(total, 3000)
})

test('leases revoked long before their time leave nothing behind', () => {
  const lessor = createLessor()
  granted(lessor, id, 1, 0)
  for (let i = 2; i < 1000; i++) {
    granted(lessor, leaseId(BigInt(i)), 1_000_000, 0)
    revoked(lessor, leaseId(BigInt(i)))
  }
  assert.ok(lessor.visits.size < 100)
  assert.deepEqual(due(lessor, 1000), [id])
})

test('due and renew agree with a lessor that looks at every lease every time', () => {
  const steps = fc.array(
    fc.record({
      kind: fc.constantFrom('grant', 'renew', 'renew', 'revoke', 'due', 'due'),
      id: fc.bigInt(1n, 6n).map(leaseId),
      ttl: fc.integer({ min: 1, max: 5 }),
      pause: fc.integer({ min: 0, max: 1500 }),
    }),
    { maxLength: 80, size: 'max' },
  )
  fc.assert(
    fc.property(steps, (all) => {
      const lessor = createLessor({ revokesPerSecond: 1e9 })
      const model = new Map<LeaseId, { ttl: number; expires: number; retry: number | null }>()
      let now = 0
      for (const { kind, id, ttl, pause } of all) {
        now += pause
        const lease = model.get(id)
        if (kind === 'grant' && lease === undefined) {
          granted(lessor, id, ttl, now)
          model.set(id, { ttl, expires: now + ttl * 1000, retry: null })
        } else if (kind === 'renew') {
          const alive = lease !== undefined && lease.retry === null && lease.expires > now
          if (alive) lease.expires = now + lease.ttl * 1000
          assert.equal(renewed(lessor, id, now), alive ? lease.ttl : lease === undefined ? 'unknown' : 'expired')
        } else if (kind === 'revoke') {
          revoked(lessor, id)
          model.delete(id)
        } else if (kind === 'due') {
          const expected = [...model].filter(([, one]) => (one.retry ?? one.expires) <= now)
          for (const [, one] of expected) one.retry = now + 3000
          assert.deepEqual(due(lessor, now).sort(), expected.map(([one]) => one).sort())
        }
      }
    }),
    { numRuns: 500 },
  )
})
