import assert from 'node:assert/strict'
import { test } from 'node:test'
import { silentLog } from '../../../src/base/log.ts'
import { limitedLog } from '../../../src/security/limited-log.ts'

test('lets a burst through in each interval and counts the rest', () => {
  const lines: unknown[] = []
  let now = 0
  const log = limitedLog({ ...silentLog, warn: (message, fields) => lines.push([message, fields]) }, 2, 1000, () => now)
  for (let i = 0; i < 5; i++) log.warn('w', { i })
  assert.deepEqual(lines, [
    ['w', { i: 0 }],
    ['w', { i: 1 }],
  ])
  now = 999
  log.warn('w', { i: 5 })
  now = 1000
  log.warn('w', { i: 6 })
  log.warn('w', { i: 7 })
  assert.deepEqual(lines.slice(2), [
    ['w', { i: 6, suppressed: 4 }],
    ['w', { i: 7 }],
  ])
})
