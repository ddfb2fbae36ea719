import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leaseId } from '../../../src/base/ids.ts'
import { LeasePromises } from '../../sim/checkers/lease-promises.ts'
import { Violation } from '../../sim/violation.ts'

const id = leaseId(7n)
const isEarly = (error: unknown): boolean => error instanceof Violation && error.property === 'lease expiry'

function world(fastestClock = 1) {
  const clock = { now: 0 }
  const promises = new LeasePromises(() => clock.now, fastestClock)
  promises.changed({ kind: 'granted', id, ttlSeconds: 5 })
  promises.confirmed(id, 0, 5)
  return { clock, promises }
}

test('lease promises: ends when its time is over', () => {
  const { clock, promises } = world()
  assert.deepEqual(promises.alive(), [id])
  clock.now = 5000
  promises.changed({ kind: 'revoked', id })
  assert.deepEqual(promises.alive(), [])
})

test('lease promises: ends too early', () => {
  const { clock, promises } = world()
  clock.now = 4999
  assert.throws(() => promises.changed({ kind: 'revoked', id }), isEarly)
})

test('lease promises: a fast clock may end it a little earlier', () => {
  const { clock, promises } = world(1.1)
  clock.now = 4600
  promises.changed({ kind: 'revoked', id })
})

test('lease promises: a renewal counts from when it was asked for', () => {
  const { clock, promises } = world()
  clock.now = 4500
  promises.confirmed(id, 4000, 5)
  clock.now = 8999
  assert.throws(() => promises.changed({ kind: 'revoked', id }), isEarly)
})

test('lease promises: a renewal that is confirmed for a lease that had ended', () => {
  const { clock, promises } = world()
  clock.now = 6000
  promises.changed({ kind: 'revoked', id })
  clock.now = 6100
  assert.throws(() => promises.confirmed(id, 5500, 5), isEarly)
})

test('lease promises: a client may end its lease', () => {
  const { clock, promises } = world()
  promises.revocationAsked(id)
  clock.now = 1
  promises.changed({ kind: 'revoked', id })
})
