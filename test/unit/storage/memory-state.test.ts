import assert from 'node:assert/strict'
import { test } from 'node:test'
import { utf8 } from '../../../src/base/bytes.ts'
import { MemoryState } from '../../../src/storage/memory-state.ts'
import { dump, flush, stateStoreContract, transact } from '../../contract/state-store.ts'

const schedule = (callback: () => void): void => void setImmediate(callback)

stateStoreContract('memory', async () => ({ store: new MemoryState({ schedule }), close: async () => {} }))

const fill = async (store: MemoryState, names: string): Promise<void> => {
  for (const name of names) await transact(store, (view) => view.put('meta', utf8(name), utf8(name)))
}
const names = (store: MemoryState): string =>
  store.read((view) =>
    [...view.scan('meta', { start: utf8('a'), end: null })].map(([key]) => Buffer.from(key)).join(''),
  )

for (const { survivors, want } of [
  { survivors: 0, want: 'ab' },
  { survivors: 1, want: 'abc' },
  { survivors: 3, want: 'abcde' },
]) {
  test(`a crash keeps what was flushed and ${survivors} commits after it`, async () => {
    const store = new MemoryState({ schedule, survivors: () => survivors })
    await fill(store, 'ab')
    await flush(store)
    await fill(store, 'cde')
    assert.equal(names(store), 'abcde')
    const after = store.crash()
    assert.equal(names(after), want)
    await fill(after, 'f')
    assert.equal(names(after), `${want}f`)
  })
}

test('completions of a crashed store never come', async () => {
  const waiting: (() => void)[] = []
  const store = new MemoryState({ schedule: (callback) => void waiting.push(callback) })
  let called = 0
  store.transact(
    () => called++,
    () => called++,
  )
  store.flush(() => called++)
  const after = store.crash()
  for (const callback of waiting.splice(0)) callback()
  assert.equal(called, 0)
  assert.deepEqual(after.read(dump), [])
})

test('a flush covers the commits before it and no later one', async () => {
  const store = new MemoryState({ schedule })
  await fill(store, 'a')
  const flushed = flush(store)
  await fill(store, 'b')
  await flushed
  assert.equal(names(store.crash()), 'a')
})
