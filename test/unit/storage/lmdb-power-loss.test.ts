import assert from 'node:assert/strict'
import fs from 'node:fs'
import { copyFile, cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { utf8 } from '../../../src/base/bytes.ts'
import { silentLog } from '../../../src/base/log.ts'
import { type Random, seededRandom } from '../../../src/base/random.ts'
import { type LmdbState, openLmdbState } from '../../../src/storage/lmdb-state.ts'
import { dump, flush, transact } from '../../contract/state-store.ts'

const log = silentLog
const pageBytes = 4096
/** The second slot of the checkpoint file, which is the next to be written after two. */
const slotBytes = 16 + 2 * 65_536

async function inDir(body: (dir: string) => Promise<void>): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'leasehold-power-'))
  try {
    await body(base)
  } finally {
    await rm(base, { recursive: true })
  }
}

/** No checkpoint but those that the test asks for. */
const open = async (dir: string): Promise<LmdbState> =>
  (await openLmdbState({ dir, log, checkpointDelayMs: 3_600_000 })).store

const randomWrites = (store: LmdbState, random: Random): Promise<void> =>
  transact(store, (view) => {
    for (let i = 0; i < 20; i++) {
      const key = utf8(`key-${random.below(300)}`)
      if (random.next() < 0.3) view.remove('current', key)
      else view.put('current', key, new Uint8Array(random.below(3000)).fill(random.below(256)))
    }
  })

/** What a disk may hold after the power was lost: of all that was written since `before`, any part. */
async function tornCopy(before: string, after: string, random: Random): Promise<Buffer> {
  const [old, now] = await Promise.all([readFile(before), readFile(after)])
  const torn = Buffer.alloc(now.length)
  old.copy(torn)
  for (let at = 0; at < now.length; at += pageBytes) {
    if (random.next() < 0.5) now.copy(torn, at, at, at + pageBytes)
  }
  return torn
}

for (let seed = 1; seed <= 12; seed++) {
  test(`lmdb: after the power was lost the state is that of the last flush, seed ${seed}`, () =>
    inDir(async (base) => {
      const random = seededRandom(seed)
      const dir = join(base, 'state')
      const copy = join(base, 'copy')
      const store = await open(dir)
      for (let i = random.below(30); i >= 0; i--) await randomWrites(store, random)
      await flush(store)
      for (let i = random.below(5); i >= 0; i--) await randomWrites(store, random)
      await flush(store)
      const flushed = store.read(dump)
      await cp(dir, copy, { recursive: true })
      for (let i = 0; i < 40; i++) await randomWrites(store, random)
      assert.ok(!isDeepStrictEqual(store.read(dump), flushed))
      const data = join('state-1', 'data.mdb')
      const torn = await tornCopy(join(copy, data), join(dir, data), random)
      await store.close()

      await writeFile(join(copy, data), torn)
      await writeFile(join(copy, 'state-1', 'boot'), 'another run of the system')
      const recovered = await open(copy)
      assert.ok(isDeepStrictEqual(recovered.read(dump), flushed), 'another state')
      // And it can be written: its table of free pages is whole too.
      for (let i = 0; i < 20; i++) await randomWrites(recovered, random)
      const written = recovered.read(dump)
      await recovered.close()
      const again = await open(copy)
      assert.ok(isDeepStrictEqual(again.read(dump), written), 'another state')
      await again.close()
    }))
}

test('lmdb: what was closed in good order survives the loss of power', () =>
  inDir(async (base) => {
    const dir = join(base, 'state')
    const store = await open(dir)
    await randomWrites(store, seededRandom(7))
    const before = store.read(dump)
    await store.close()
    await writeFile(join(dir, 'state-1', 'boot'), 'another run of the system')
    const again = await open(dir)
    assert.ok(isDeepStrictEqual(again.read(dump), before), 'another state')
    await again.close()
  }))

test('lmdb: a checkpoint that was not written in full is not used, the one before it is', () =>
  inDir(async (base) => {
    const dir = join(base, 'state')
    const store = await open(dir)
    await randomWrites(store, seededRandom(8))
    await flush(store)
    const files = join(dir, 'state-1')
    await copyFile(join(files, 'checkpoint'), join(base, 'checkpoint'))
    const before = store.read(dump)
    await store.close()
    const torn = await readFile(join(base, 'checkpoint'))
    torn.fill(0x55, slotBytes + 100)
    await writeFile(join(files, 'checkpoint'), torn)
    await writeFile(join(files, 'boot'), 'another run of the system')
    const again = await open(dir)
    assert.ok(isDeepStrictEqual(again.read(dump), before), 'another state')
    await again.close()
  }))

test('lmdb: after a flush that failed the next start goes back to the checkpoint, in the same run of the system', (t) =>
  inDir(async (base) => {
    const dir = join(base, 'state')
    const data = join(dir, 'state-1', 'data.mdb')
    const store = await open(dir)
    const random = seededRandom(12)
    await randomWrites(store, random)
    await flush(store)
    const flushed = store.read(dump)
    await copyFile(data, join(base, 'data.mdb'))
    for (let i = 0; i < 10; i++) await randomWrites(store, random)
    const failing = t.mock.method(fs, 'fdatasync', (_: number, done: (error: Error) => void) =>
      setImmediate(done, new Error('input/output error')),
    )
    syncBuiltinESMExports()
    await assert.rejects(flush(store), /state-1: flush failed: input\/output error/)
    failing.mock.restore()
    syncBuiltinESMExports()
    await store.close()

    // Of what it could not write the system has kept the first two pages.
    const [before, after] = await Promise.all([readFile(join(base, 'data.mdb')), readFile(data)])
    const dropped = Buffer.alloc(after.length)
    before.copy(dropped)
    after.copy(dropped, 0, 0, 2 * pageBytes)
    await writeFile(data, dropped)
    const again = await open(dir)
    assert.ok(isDeepStrictEqual(again.read(dump), flushed), 'another state')
    await again.close()
  }))

test('lmdb: without a whole checkpoint a state from before a restart of the system is refused', () =>
  inDir(async (base) => {
    const dir = join(base, 'state')
    const store = await open(dir)
    await randomWrites(store, seededRandom(9))
    await store.close()
    await writeFile(join(dir, 'state-1', 'checkpoint'), new Uint8Array(200_000).fill(1))
    await writeFile(join(dir, 'state-1', 'boot'), 'another run of the system')
    await assert.rejects(open(dir), /state-1\/checkpoint: damaged at offset 0: no whole checkpoint$/)
  }))

test('lmdb: a first start that was cut short is begun anew', () =>
  inDir(async (base) => {
    const dir = join(base, 'state')
    const store = await open(dir)
    await store.close()
    await rm(join(dir, 'state-1', 'boot'))
    await writeFile(join(dir, 'state-1', 'data.mdb'), new Uint8Array(100))
    const again = await open(dir)
    await randomWrites(again, seededRandom(10))
    await again.close()
    assert.deepEqual((await readdir(join(dir, 'state-1'))).sort(), ['boot', 'checkpoint', 'data.mdb', 'lock.mdb'])
  }))

test('lmdb: pages set free are used again once a checkpoint has followed', () =>
  inDir(async (base) => {
    const store = await open(join(base, 'state'))
    const random = seededRandom(11)
    const rounds = async (count: number): Promise<number> => {
      for (let i = 0; i < count; i++) {
        await randomWrites(store, random)
        await flush(store)
      }
      return store.size().allocated
    }
    const settled = await rounds(60)
    const later = await rounds(120)
    assert.ok(later < settled * 1.5, `${settled} bytes, then ${later}`)
    await store.close()
  }))

test('lmdb: large writes do not wait for the time of a checkpoint', () =>
  inDir(async (base) => {
    const store = await open(join(base, 'state'))
    for (let i = 0; i < 1500; i++) {
      await transact(store, (view) => view.put('current', utf8('key'), new Uint8Array(200_000).fill(i)))
    }
    const { allocated } = store.size()
    assert.ok(allocated < 150_000_000, `${allocated} bytes for one value of 200,000`)
    await store.close()
  }))
