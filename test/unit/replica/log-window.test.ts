import assert from 'node:assert/strict'
import test from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import type { Entry } from '../../../src/raft/types.ts'
import { LogWindow } from '../../../src/replica/log-window.ts'
import type { Done, StateStore } from '../../../src/replica/ports.ts'

function windowOf(keepEntries: number, recovered: readonly Entry[] = []) {
  const flushes: Done[] = []
  const compacted: number[] = []
  const released: number[] = []
  const state = { flush: (done: Done) => flushes.push(done) } as unknown as StateStore
  const log = { append: () => {}, reset: () => {}, release: (index: number) => released.push(index) }
  const window = new LogWindow(state, log, keepEntries, recovered, {
    compactLog: (index) => compacted.push(index),
    failed: (error) => assert.fail(error),
  })
  const flush = (): void => {
    const done = flushes.shift()
    assert.ok(done, 'no flush was asked for')
    done()
  }
  return { window, flushes, flush, compacted, released }
}

const entries = (from: number, to: number, bytes: number): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    index: from + i,
    term: 1,
    type: 'normal',
    data: new Uint8Array(bytes),
  }))

test('nothing leaves the log before its effect is flushed', () => {
  const { window, flush, released } = windowOf(10)
  window.add(entries(1, 100, 1))
  window.tick(100)
  window.add(entries(101, 200, 1))
  assert.deepEqual(released, [])
  flush()
  assert.deepEqual(released, [90])
})

test('no more applied entries than are kept anyway do not cost a flush', () => {
  const { window, flushes } = windowOf(100)
  window.add(entries(1, 100, 1))
  window.tick(100)
  assert.equal(flushes.length, 0)
  window.add(entries(101, 101, 1))
  window.tick(101)
  assert.equal(flushes.length, 1)
})

test('large entries leave before the count is reached, but never unflushed ones', () => {
  const { window, flush, compacted } = windowOf(1000)
  const bytes = limits.logKeepBytesMax / 100
  for (let i = 0; i < 300; i += 10) window.add(entries(i + 1, i + 10, bytes))
  window.tick(260)
  flush()
  assert.deepEqual(compacted, [200])
})

test('large entries are a reason to flush, however few they are', () => {
  const { window, flushes, flush, compacted } = windowOf(1000)
  const bytes = limits.logKeepBytesMax / 10
  for (let i = 1; i <= 12; i++) window.add(entries(i, i, bytes))
  window.tick(12)
  assert.equal(flushes.length, 0)
  window.add(entries(13, 13, bytes))
  window.tick(13)
  flush()
  assert.deepEqual(compacted, [3])
})

test('what a start found in the log counts, too', () => {
  const bytes = limits.logKeepBytesMax / 10
  const { window, flush, compacted } = windowOf(1000, entries(1, 20, bytes))
  window.add(entries(21, 21, bytes))
  window.tick(21)
  flush()
  assert.deepEqual(compacted, [11])
})

test('a member at rest flushes nothing', () => {
  const { window, flushes, flush } = windowOf(100)
  for (let i = 1; i <= 500; i++) window.add(entries(i, i, limits.logKeepBytesMax / 1000))
  window.tick(500)
  flush()
  window.tick(500)
  window.tick(510)
  assert.equal(flushes.length, 0)
})

test('after a snapshot the window begins at it', () => {
  const { window, flush, compacted } = windowOf(10)
  window.add(entries(1, 50, 1))
  window.reset(1000)
  window.tick(1001)
  window.add(entries(1001, 1100, 1))
  window.tick(1100)
  flush()
  assert.deepEqual(compacted, [1090])
})
