import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { utf8 } from '../../../src/base/bytes.ts'
import { silentLog } from '../../../src/base/log.ts'
import { seededRandom } from '../../../src/base/random.ts'
import type { Pair, ReadView } from '../../../src/mvcc/view.ts'
import { openLmdbReader } from '../../../src/storage/lmdb-reader.ts'
import { type LmdbState, openLmdbState } from '../../../src/storage/lmdb-state.ts'
import { chunksOf, finish, flush, install, transact, writeChunk } from '../../contract/state-store.ts'

const key = utf8('key')
const rowOf = (n: number): Uint8Array => utf8(`row/${String(n).padStart(5, '0')}`)
const rows = { start: utf8('row/'), end: utf8('row0') }
const textOf = (view: ReadView): string => Buffer.from(view.get('meta', key) ?? '').toString()
const write = (store: LmdbState, text: string): Promise<void> =>
  transact(store, (view) => view.put('meta', key, utf8(text)))

async function withState(work: (store: LmdbState) => Promise<void>): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'leasehold-held-'))
  const { store } = await openLmdbState({ dir, log: silentLog })
  try {
    await work(store)
  } finally {
    await store.close()
    await rm(dir, { recursive: true })
  }
}

for (const where of ['the thread that writes', 'another environment on the same state'])
  test(`a held state stays what it was while the newest moves on: ${where}`, () =>
    withState(async (store) => {
      await write(store, 'one')
      const reader = where === 'the thread that writes' ? null : openLmdbReader(store.path())
      const source = reader ?? store
      reader?.refresh()
      const first = source.hold()
      await write(store, 'two')
      reader?.refresh()
      const second = source.hold()
      await write(store, 'three')
      reader?.refresh()
      assert.deepEqual([textOf(first.view), textOf(second.view), source.read(textOf)], ['one', 'two', 'three'])
      first.close()
      first.close()
      assert.deepEqual([textOf(second.view), source.read(textOf)], ['two', 'three'])
      second.close()
      await reader?.close()
    }))

test('a reader closes when the last state that is held of it is let go', () =>
  withState(async (store) => {
    await write(store, 'one')
    const reader = openLmdbReader(store.path())
    const [first, second] = [reader.hold(), reader.hold()]
    let isClosed = false
    const closed = reader.close().then(() => {
      isClosed = true
    })
    first.close()
    await write(store, 'two')
    assert.equal(isClosed, false)
    assert.equal(textOf(second.view), 'one')
    second.close()
    await closed
  }))

test('a replaced state that is held is removed when it is let go', () =>
  withState(async (store) => {
    await write(store, 'one')
    const sink = store.openSink()
    for (const chunk of chunksOf(store)) await writeChunk(sink, chunk)
    const held = store.hold()
    await install(await finish(sink))
    await write(store, 'two')
    assert.deepEqual([textOf(held.view), store.read(textOf)], ['one', 'two'])
    held.close()
  }))

test('the key at a position is that of the scan', () =>
  withState(async (store) => {
    await transact(store, (view) => {
      for (let n = 0; n < 100; n++) view.put('current', rowOf(n), utf8('x'))
    })
    const held = store.hold()
    const at = (position: number, from = 0): string | undefined => {
      const found = held.view.keyAt!('current', { start: rowOf(from), end: rowOf(90) }, position)
      return found && Buffer.from(found).toString()
    }
    assert.deepEqual(
      [at(0), at(89), at(90), at(5, 80), at(10, 80), at(0, 90)],
      ['row/00000', 'row/00089', undefined, 'row/00085', undefined, undefined],
    )
    held.close()
  }))

test('scans of held states go on through commits, short reads and each other, and each sees its own state', () =>
  withState(async (store) => {
    const count = 300
    const random = seededRandom(11)
    const writeRound = (round: number): Promise<void> =>
      transact(store, (view) => {
        for (let n = 0; n < count; n++) view.put('current', rowOf(n), utf8(String(round)))
      })
    await writeRound(0)
    const reader = openLmdbReader(store.path())
    const open = new Set<{ view: ReadView; close(): void; scan: Iterator<Pair>; value: string; seen: number }>()
    let finished = 0
    for (let round = 1; round <= 200; round++) {
      reader.refresh()
      if (open.size < 6) {
        const held = reader.hold()
        const value = Buffer.from(held.view.get('current', rowOf(0))!).toString()
        const scan = held.view.scan('current', rows)[Symbol.iterator]()
        open.add({ ...held, scan, value, seen: 0 })
      }
      for (const each of open) {
        for (let steps = random.below(60); steps > 0; steps--) {
          const { done, value } = each.scan.next()
          if (done === true) {
            assert.equal(each.seen, count)
            each.close()
            open.delete(each)
            finished++
            break
          }
          assert.equal(Buffer.from(value[1]).toString(), each.value)
          assert.equal(Buffer.from(each.view.get('current', value[0])!).toString(), each.value)
          each.seen++
        }
        if (open.has(each) && random.below(20) === 0) {
          each.scan.return?.()
          each.close()
          open.delete(each)
        }
      }
      if (round % 3 === 0) await writeRound(round)
      if (round % 20 === 0) await flush(store)
      assert.equal(
        reader.read((view) => [...view.scan('current', rows)].length),
        count,
      )
    }
    for (const each of open) {
      each.scan.return?.()
      each.close()
    }
    assert.ok(finished > 50, `${finished} scans came to their end`)
    await reader.close()
  }))
