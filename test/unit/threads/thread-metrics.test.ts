import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import { ThreadMetrics } from '../../../src/threads/thread-metrics.ts'

test('all who ask meanwhile share one question', async () => {
  const asked: number[] = []
  const metrics = new ThreadMetrics((id) => asked.push(id))
  const answers = [metrics.ask(), metrics.ask()]
  assert.deepEqual(asked, [1])
  metrics.answered(1, 'text')
  assert.deepEqual(await Promise.all(answers), ['text', 'text'])
  const next = metrics.ask()
  assert.deepEqual(asked, [1, 2])
  // Too late, for who asks now has not been told of it.
  metrics.answered(1, 'old')
  metrics.answered(2, 'new')
  assert.equal(await next, 'new')
})

test('no answer, or none in time, is a rejection', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const metrics = new ThreadMetrics(() => {})
  const refused = metrics.ask()
  metrics.answered(1, null)
  await assert.rejects(refused)
  const late = metrics.ask()
  t.mock.timers.tick(limits.metricsMsMax)
  await assert.rejects(late)
})
