import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { emptyBytes, nextKey, utf8 } from '../../src/base/bytes.ts'
import { seededRandom } from '../../src/base/random.ts'
import {
  type Pair,
  type ReadView,
  type ScanOptions,
  tableKeyBytesMax,
  tables,
  type WriteView,
} from '../../src/mvcc/view.ts'
import type { SnapshotSink, StagedState, StateStore } from '../../src/replica/ports.ts'

export interface OpenStore {
  readonly store: StateStore
  close(): Promise<void>
}

export const transact = (store: StateStore, work: (view: WriteView) => void): Promise<void> =>
  new Promise((resolve, reject) => store.transact(work, (error) => (error === undefined ? resolve() : reject(error))))

export const flush = (store: StateStore): Promise<void> =>
  new Promise((resolve, reject) => store.flush((error) => (error === undefined ? resolve() : reject(error))))

export const writeChunk = (sink: SnapshotSink, chunk: Uint8Array): Promise<void> =>
  new Promise((resolve, reject) => sink.write(chunk, (error) => (error === undefined ? resolve() : reject(error))))

export const finish = (sink: SnapshotSink): Promise<StagedState> =>
  new Promise((resolve, reject) => sink.finish((error, staged) => (error === null ? resolve(staged!) : reject(error))))

export const install = (staged: StagedState): Promise<void> =>
  new Promise((resolve, reject) => staged.install((error) => (error === undefined ? resolve() : reject(error))))

export function chunksOf(store: StateStore): Uint8Array[] {
  const source = store.openSnapshot()
  const chunks: Uint8Array[] = []
  for (let chunk = source.next(); chunk !== null; chunk = source.next()) chunks.push(chunk)
  source.close()
  return chunks
}

/** Everything, as text that compares. */
export const dump = (view: ReadView): string[] =>
  tables.flatMap((table) =>
    [...view.scan(table, { start: emptyBytes, end: null })].map(
      ([key, value]) => `${table} ${Buffer.from(key).toString('hex')}=${Buffer.from(value).toString('hex')}`,
    ),
  )

const text = ([key, value]: Pair): string => `${Buffer.from(key)}=${Buffer.from(value)}`
const all = { start: emptyBytes, end: null }
const key = (name: string): Uint8Array => utf8(name)

/** What every StateStore must do. */
export function stateStoreContract(name: string, open: () => Promise<OpenStore>): void {
  const withStore = (title: string, body: (store: StateStore) => Promise<void>): void => {
    test(title, async () => {
      const { store, close } = await open()
      try {
        await body(store)
      } finally {
        await close()
      }
    })
  }

  describe(`${name}: transactions`, () => {
    withStore('a transaction sees its own writes, and readers see them after it', async (store) => {
      let inside: unknown
      await transact(store, (view) => {
        view.put('current', key('a'), utf8('1'))
        view.put('current', key('b'), utf8('2'))
        view.remove('current', key('a'))
        view.put('history', key('a'), utf8('3'))
        inside = [view.get('current', key('a')), [...view.scan('current', all)].map(text), view.count('history', all)]
      })
      assert.deepEqual(inside, [undefined, ['b=2'], 1])
      assert.deepEqual(
        store.read((view) => [view.get('current', key('a')), [...view.scan('current', all)].map(text)]),
        [undefined, ['b=2']],
      )
    })

    withStore('work runs later than the call', async (store) => {
      let ran = false
      const committed = transact(store, () => {
        ran = true
      })
      assert.equal(ran, false)
      await committed
      assert.equal(ran, true)
    })

    withStore('work that throws leaves nothing, and the store goes on', async (store) => {
      await transact(store, (view) => view.put('meta', key('k'), utf8('old')))
      const before = store.read(dump)
      const failing = transact(store, (view) => {
        view.put('meta', key('k'), utf8('new'))
        view.put('current', key('x'), utf8('y'))
        view.remove('meta', key('k'))
        throw new Error('no')
      })
      await assert.rejects(failing, { message: 'no' })
      assert.deepEqual(store.read(dump), before)
      await transact(store, (view) => view.put('meta', key('k2'), utf8('v')))
      assert.equal(
        store.read((view) => view.count('meta', all)),
        2,
      )
    })

    withStore('the next transaction may begin inside committed', async (store) => {
      await new Promise<void>((resolve, reject) => {
        let left = 50
        const next = (error?: Error): void => {
          if (error !== undefined) reject(error)
          else if (left-- === 0) resolve()
          else store.transact((view) => view.put('meta', key(`${left}`), utf8('v')), next)
        }
        next()
      })
      assert.equal(
        store.read((view) => view.count('meta', all)),
        50,
      )
    })

    withStore('every commit is visible to the first read after it', async (store) => {
      for (let i = 0; i < 200; i++) {
        await transact(store, (view) => view.put('meta', key('n'), utf8(`${i}`)))
        assert.equal(
          store.read((view) => Buffer.from(view.get('meta', key('n'))!).toString()),
          `${i}`,
        )
      }
    })

    withStore('flush calls back, before the first commit too', async (store) => {
      await flush(store)
      await transact(store, (view) => view.put('meta', key('a'), utf8('b')))
      await Promise.all([flush(store), flush(store)])
      await flush(store)
    })
  })

  describe(`${name}: bytes`, () => {
    withStore('bytes put and bytes read are not shared', async (store) => {
      const written = Buffer.from('value')
      await transact(store, (view) => {
        view.put('current', key('k'), written)
        written.fill(0)
      })
      store.read((view) => view.get('current', key('k')))!.fill(0)
      for (const [k, v] of store.read((view) => [...view.scan('current', all)])) {
        k.fill(0)
        v.fill(0)
      }
      assert.deepEqual(
        store.read((view) => [...view.scan('current', all)].map(text)),
        ['k=value'],
      )
    })

    withStore('the longest key, its neighbours, and values from nothing to 24 MiB', async (store) => {
      const longest = new Uint8Array(tableKeyBytesMax).fill(0x61)
      const sizes = [0, 1, 100, 4000, 5000, 40_000, 1024 * 1024, 24 * 1024 * 1024]
      const filled = (size: number): Uint8Array => new Uint8Array(size).fill(size % 251)
      await transact(store, (view) => {
        view.put('current', longest, utf8('here'))
        view.put('current', longest.subarray(1), utf8('before'))
        for (const size of sizes) view.put('history', key(`${size}`.padStart(9, '0')), filled(size))
        assert.equal(Buffer.compare(view.get('history', key('025165824'))!, filled(25165824)), 0)
      })
      assert.deepEqual(store.read((view) => view.get('current', longest))!.length, 4)
      const past = nextKey(longest)
      const counted = (options: ScanOptions): number[] =>
        store.read((view) => [view.count('current', options), [...view.scan('current', options)].length])
      assert.deepEqual(counted({ start: past, end: null }), [0, 0])
      assert.deepEqual(counted({ start: longest, end: past }), [1, 1])
      assert.deepEqual(counted({ start: longest, end: past, reverse: true }), [1, 1])
      assert.deepEqual(counted({ start: emptyBytes, end: past, reverse: true }), [2, 2])
      assert.deepEqual(counted({ start: past, end: null, reverse: true }), [0, 0])
      assert.equal(
        store.read((view) => view.get('current', past)),
        undefined,
      )
      const pairs = store.read((view) => [...view.scan('history', all)])
      for (const [i, size] of sizes.entries()) {
        const value = pairs[i]![1]
        assert.equal(value.length, size)
        assert.equal(Buffer.compare(value, filled(size)), 0, `value of ${size} bytes`)
        assert.equal(
          Buffer.compare(
            store.read((view) => view.get('history', pairs[i]![0])!),
            value,
          ),
          0,
        )
      }
    })

    withStore('keys that no table can hold are refused', async (store) => {
      for (const bad of [emptyBytes, new Uint8Array(tableKeyBytesMax + 1)]) {
        await assert.rejects(
          transact(store, (view) => view.put('current', bad, utf8('v'))),
          { name: 'InvariantError' },
        )
        assert.equal(
          store.read((view) => view.get('current', bad)),
          undefined,
        )
      }
    })
  })

  describe(`${name}: ranges`, () => {
    withStore('scan and count agree with a plain filter over all pairs', async (store) => {
      const random = seededRandom(7)
      const anyKey = (): Uint8Array => Uint8Array.from({ length: 1 + random.below(3) }, () => random.below(4) * 85)
      const model = new Map<string, Uint8Array>()
      await transact(store, (view) => {
        for (let i = 0; i < 60; i++) {
          const k = anyKey()
          model.set(Buffer.from(k).toString('hex'), k)
          view.put('current', k, k)
        }
      })
      const sorted = [...model.values()].sort(Buffer.compare)
      for (let i = 0; i < 500; i++) {
        const start = random.below(8) === 0 ? emptyBytes : anyKey()
        const end = random.below(8) === 0 ? null : random.below(20) === 0 ? emptyBytes : anyKey()
        const reverse = random.below(2) === 0
        const want = sorted.filter((k) => Buffer.compare(k, start) >= 0 && (end === null || Buffer.compare(k, end) < 0))
        if (reverse) want.reverse()
        const got = store.read((view) => [...view.scan('current', { start, end, reverse })].map(([k]) => k))
        assert.deepEqual(
          got.map((k) => [...k]),
          want.map((k) => [...k]),
        )
        assert.equal(
          store.read((view) => view.count('current', { start, end })),
          want.length,
        )
      }
    })

    withStore('a scan may be left early, nested, and interleaved with gets', async (store) => {
      await transact(store, (view) => {
        for (let i = 0; i < 300; i++) view.put('history', key(String(i).padStart(3, '0')), utf8(`${i}`))
      })
      const seen: string[] = []
      store.read((view) => {
        for (const [k] of view.scan('history', { ...all, reverse: true })) {
          for (const [inner, value] of view.scan('history', { start: k, end: null })) {
            const again = view.get('history', inner)!
            seen.push(`${Buffer.from(k)}:${Buffer.from(value)}:${Buffer.from(again)}`)
            break
          }
          if (seen.length === 3) break
        }
      })
      assert.deepEqual(seen, ['299:299:299', '298:298:298', '297:297:297'])
      assert.equal(
        store.read((view) => [...view.scan('history', all)].length),
        300,
      )
    })
  })

  describe(`${name}: snapshots`, () => {
    const fill = (store: StateStore, from: number, to: number): Promise<void> =>
      transact(store, (view) => {
        for (let i = from; i < to; i++) {
          view.put('history', key(`h${String(i).padStart(6, '0')}`), new Uint8Array(700).fill(i))
          view.put('current', key(`c${i}`), utf8(`${i}`))
        }
        view.put('meta', key('applied'), utf8(`${to}`))
      })

    withStore('a snapshot is the state when it was opened, whatever is written meanwhile', async (store) => {
      await fill(store, 0, 4000)
      const before = store.read(dump)
      const source = store.openSnapshot()
      const chunks = [source.next()!, source.next()!]
      await fill(store, 4000, 4500)
      await transact(store, (view) => view.remove('current', key('c5')))
      for (let chunk = source.next(); chunk !== null; chunk = source.next()) chunks.push(chunk)
      assert.equal(
        source.read((view) => Buffer.from(view.get('meta', key('applied'))!).toString()),
        '4000',
      )
      source.close()
      assert.ok(chunks.length > 3 && chunks.every((chunk) => chunk.length < 1.1 * 1024 * 1024))
      const sink = store.openSink()
      for (const chunk of chunks) await writeChunk(sink, chunk)
      const staged = await finish(sink)
      assert.notDeepEqual(store.read(dump), before)
      await install(staged)
      assert.deepEqual(store.read(dump), before)
      await fill(store, 1, 2)
      assert.equal(
        store.read((view) => Buffer.from(view.get('meta', key('applied'))!).toString()),
        '2',
      )
    })

    withStore('the copy of an empty state is empty', async (store) => {
      const chunks = chunksOf(store)
      await fill(store, 0, 3)
      const sink = store.openSink()
      for (const chunk of chunks) await writeChunk(sink, chunk)
      await install(await finish(sink))
      assert.deepEqual(store.read(dump), [])
    })

    type Chunks = Uint8Array[]
    const flipped = (chunk: Uint8Array): Uint8Array => chunk.map((byte, i) => (i === 400 ? byte ^ 1 : byte))
    for (const { name: damage, change } of [
      { name: 'a changed byte', change: (c: Chunks) => c.with(1, flipped(c[1]!)) },
      { name: 'a lost chunk', change: (c: Chunks) => c.toSpliced(2, 1) },
      { name: 'chunks swapped', change: (c: Chunks) => c.toSpliced(1, 2, c[2]!, c[1]!) },
      { name: 'no end', change: (c: Chunks) => c.slice(0, -1) },
      { name: 'a chunk twice', change: (c: Chunks) => c.toSpliced(1, 0, c[1]!) },
      { name: 'a chunk cut short', change: (c: Chunks) => c.with(1, c[1]!.subarray(0, 900)) },
      { name: 'something after the end', change: (c: Chunks) => [...c, c[1]!] },
      { name: 'no bytes', change: (c: Chunks) => c.with(0, emptyBytes) },
    ]) {
      withStore(`a damaged snapshot is refused: ${damage}`, async (store) => {
        await fill(store, 0, 3500)
        const before = store.read(dump)
        const chunks = change(chunksOf(store))
        const sink = store.openSink()
        const received = (async () => {
          for (const chunk of chunks) await writeChunk(sink, chunk)
          await finish(sink)
        })()
        await assert.rejects(received, { name: 'StorageError', fault: 'damaged' })
        assert.deepEqual(store.read(dump), before)
      })
    }

    withStore('an aborted sink and a discarded state leave the live one alone', async (store) => {
      await fill(store, 0, 10)
      const before = store.read(dump)
      const chunks = chunksOf(store)
      const aborted = store.openSink()
      await writeChunk(aborted, chunks[0]!)
      aborted.abort()
      await assert.rejects(writeChunk(aborted, chunks[1]!), { name: 'StorageError' })
      const sink = store.openSink()
      for (const chunk of chunks) await writeChunk(sink, chunk)
      const staged = await finish(sink)
      staged.discard()
      assert.throws(() => staged.discard(), { name: 'StorageError' })
      assert.deepEqual(store.read(dump), before)
    })

    withStore('size grows with what is stored', async (store) => {
      const empty = store.size()
      await fill(store, 0, 2000)
      const full = store.size()
      assert.ok(full.allocated >= full.inUse && full.inUse > empty.inUse + 2000 * 700)
    })
  })
}
