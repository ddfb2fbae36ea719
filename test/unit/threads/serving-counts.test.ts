import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Code } from '../../../src/errors.ts'
import { refusalKinds } from '../../../src/security/tls-status.ts'
import { ServingCounts } from '../../../src/threads/serving-counts.ts'

test('what a thread counts is seen from outside, each number in a place of its own', () => {
  const outside = ServingCounts.create(true)
  const inside = new ServingCounts(structuredClone(outside.shared))
  inside.calls.ended(0, Code.Ok, inside.calls.began(0))
  inside.calls.messageReceived(0, 100)
  inside.watches.watchers = 3
  inside.watches.streams = 2
  inside.health.answered(true)
  inside.health.answered(false)
  inside.tls.accepted += 5
  for (const [i, kind] of refusalKinds.entries()) {
    inside.tls.refused[kind] += i
    inside.tls.closed[kind] += 100 + i
  }
  assert.equal(outside.calls.begunOf(0), 1)
  assert.equal(outside.calls.handledOf(0, Code.Ok), 1)
  assert.equal(outside.calls.receivedBytes, 100)
  assert.deepEqual([outside.watches.streams, outside.watches.watchers, outside.watches.slowWatchers], [2, 3, 0])
  assert.deepEqual([outside.health.succeeded, outside.health.failed], [1, 1])
  assert.equal(outside.tls.accepted, 5)
  for (const [i, kind] of refusalKinds.entries())
    assert.deepEqual([outside.tls.refused[kind], outside.tls.closed[kind]], [i, 100 + i])
  outside.watches.reset()
  assert.deepEqual([inside.watches.streams, inside.watches.watchers], [0, 0])
  assert.equal(inside.calls.begunOf(0), 1, 'what has happened stays')
})
