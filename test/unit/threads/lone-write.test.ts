import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LoneWrite } from '../../../src/threads/lone-write.ts'

/** A write that is answered after so long. @returns for how long the thread would have waited. */
function write(lone: LoneWrite, tookMs: number): number {
  const waitMs = lone.sent(100)
  lone.answered(100 + tookMs)
  return waitMs
}

test('a write is waited for once the one before it was alone, too', () => {
  const lone = new LoneWrite()
  assert.equal(write(lone, 0.4), 0, 'nothing is known yet')
  assert.equal(write(lone, 0.4), 1)
  assert.equal(write(lone, 0.4), 1)
  lone.disturb()
  assert.equal(write(lone, 0.4), 0)
  assert.equal(write(lone, 0.4), 1)
})

test('one slow answer changes little; where answers are slow nobody waits for them, until they are quick again', () => {
  const lone = new LoneWrite()
  write(lone, 0.4)
  write(lone, 500)
  assert.equal(write(lone, 0.4), 1)
  for (let i = 0; i < 20; i++) write(lone, 5)
  assert.equal(write(lone, 5), 0)
  for (let i = 0; i < 20; i++) write(lone, 0.4)
  assert.equal(write(lone, 0.4), 1)
})
