import assert from 'node:assert/strict'
import { test } from 'node:test'
import { WakingClock } from '../../../src/replica/waking-clock.ts'

test('time passes as it does, but for that in which nobody looked', () => {
  let now = 5000
  const clock = new WakingClock({ nowMs: () => now, after: () => ({ cancel: () => {} }), soon: () => {} }, 1000)
  const at = (ms: number): number => {
    now = ms
    return clock.nowMs()
  }
  assert.equal(at(5000), 5000)
  assert.equal(at(6000), 6000)
  assert.equal(at(16_000), 6000)
  assert.equal(at(16_500), 6500)
  assert.equal(at(18_000), 6500)
  assert.equal(at(18_100), 6600)
})
