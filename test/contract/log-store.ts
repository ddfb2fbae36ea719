import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { clusterId, memberId } from '../../src/base/ids.ts'
import { silentLog } from '../../src/base/log.ts'
import type { Entry, EntryId, HardState } from '../../src/raft/types.ts'
import type { LogBatch, LogStore } from '../../src/replica/ports.ts'
import type { FileSystem } from '../../src/storage/fs.ts'
import { openWal, type WalOptions } from '../../src/storage/wal.ts'

export const dir = '/log'
export const segmentBytes = 4096

export const walOptions = (fs: FileSystem, more: Partial<WalOptions> = {}): WalOptions => ({
  dir,
  clusterId: clusterId(0xc1n),
  memberId: memberId(0xa1n),
  segmentBytes,
  fs,
  log: silentLog,
  ...more,
})

/** Entries `from` to `to` of `term`; each says what it is. */
export const entries = (term: number, from: number, to: number, size = 20): Entry[] =>
  Array.from({ length: to - from + 1 }, (_, i) => ({
    term,
    index: from + i,
    type: (from + i) % 7 === 0 ? 'confChange' : 'normal',
    data: new Uint8Array(Buffer.from(`${term}/${from + i} `.padEnd(size, '.'))),
  }))

export const hardState = (term: number, vote: bigint, commit: number): HardState => ({
  term,
  vote: memberId(vote),
  commit,
})

export const append = (log: LogStore, batch: Partial<LogBatch>): Promise<void> =>
  new Promise((resolve, reject) =>
    log.append({ hardState: null, entries: [], ...batch }, (error) =>
      error === undefined ? resolve() : reject(error),
    ),
  )

export const reset = (log: LogStore, snapshot: EntryId, state: HardState): Promise<void> =>
  new Promise((resolve, reject) =>
    log.reset(snapshot, state, (error) => (error === undefined ? resolve() : reject(error))),
  )

const plain = (list: readonly Entry[]): string[] =>
  list.map(({ term, index, type, data }) => `${term} ${index} ${type} ${Buffer.from(data)}`)

/** What every file system under the log must give. `dir` is where the log goes. */
export function logStoreContract(
  name: string,
  make: () => Promise<{ options: WalOptions; done(): Promise<void> }>,
): void {
  const withLog = (title: string, body: (options: WalOptions) => Promise<void>): void => {
    test(title, async () => {
      const { options, done } = await make()
      try {
        await body(options)
      } finally {
        await done()
      }
    })
  }
  const reopened = async (options: WalOptions) => {
    const { log, recovered } = await openWal(options)
    await log.close()
    return recovered
  }

  describe(`log on ${name}`, () => {
    withLog('a new log is empty', async (options) => {
      assert.deepEqual(await reopened(options), {
        hardState: hardState(0, 0n, 0),
        start: { term: 0, index: 0 },
        entries: [],
      })
    })

    withLog('entries and hard states come back, through many segments and starts', async (options) => {
      let next = 1
      for (let start = 1; start <= 4; start++) {
        const { log, recovered } = await openWal(options)
        assert.deepEqual(
          plain(recovered.entries),
          plain([1, 2, 3, 4].slice(0, start - 1).flatMap((term) => entries(term, term * 100 - 99, term * 100))),
        )
        for (let batch = 0; batch < 20; batch++, next += 5) {
          const state = batch % 3 === 0 ? hardState(start, 2n ** 64n - 1n, next) : null
          await append(log, { entries: entries(start, next, next + 4), hardState: state })
        }
        await log.close()
      }
      const recovered = await reopened(options)
      assert.equal(recovered.entries.length, 400)
      assert.deepEqual(recovered.hardState, hardState(4, 2n ** 64n - 1n, 391))
    })

    withLog('a suffix that is written again takes the place of the old one', async (options) => {
      const { log } = await openWal(options)
      await append(log, { entries: entries(1, 1, 150) })
      await append(log, { entries: entries(2, 100, 300) })
      await append(log, { entries: entries(3, 90, 95) })
      await append(log, { entries: entries(3, 96, 96) })
      await log.close()
      const { entries: got } = await reopened(options)
      assert.deepEqual(plain(got), plain([...entries(1, 1, 89), ...entries(3, 90, 96)]))
    })

    withLog('a batch larger than a segment, empty data, and large data', async (options) => {
      const { log } = await openWal(options)
      const large = entries(1, 1, 3, 50_000)
      const empty: Entry[] = [{ term: 2, index: 4, type: 'normal', data: new Uint8Array(0) }]
      await append(log, { entries: large })
      await append(log, { entries: empty })
      await log.close()
      assert.deepEqual(plain((await reopened(options)).entries), plain([...large, ...empty]))
    })

    withLog('a commit index alone waits for the next append or the close', async (options) => {
      const { log } = await openWal(options)
      await append(log, { entries: entries(1, 1, 1), hardState: hardState(1, 5n, 0) })
      await append(log, { hardState: hardState(1, 5n, 1) })
      await append(log, {})
      await log.close()
      assert.deepEqual((await reopened(options)).hardState, hardState(1, 5n, 1))
    })

    withLog('release removes whole segments from the front', async (options) => {
      const { log } = await openWal(options)
      for (let i = 1; i <= 400; i += 10) await append(log, { entries: entries(1, i, i + 9) })
      log.release(200)
      await append(log, { entries: entries(2, 401, 401) })
      await log.close()
      const { start, entries: got } = await reopened(options)
      assert.ok(start.index > 50 && start.index <= 200, `starts after ${start.index}`)
      assert.equal(start.term, 1)
      assert.deepEqual(plain(got), plain([...entries(1, start.index + 1, 400), ...entries(2, 401, 401)]))
    })

    withLog('a suffix may reach back before the first segment that is left', async (options) => {
      const { log } = await openWal(options)
      for (let i = 1; i <= 200; i += 10) await append(log, { entries: entries(1, i, i + 9) })
      // Replaces up to several segments, and the new suffix then fills segments of its own.
      for (let i = 101; i <= 400; i += 10) await append(log, { entries: entries(2, i, i + 9) })
      log.release(390)
      await append(log, { entries: entries(2, 401, 401) })
      await log.close()
      const { start, entries: got } = await reopened(options)
      assert.ok(start.index <= 390)
      assert.deepEqual(
        plain(got),
        plain(entries(2, 1, 401).slice(start.index)).map((row) => row),
      )
    })

    withLog('reset voids what was there and starts after the snapshot', async (options) => {
      const { log } = await openWal(options)
      for (let i = 1; i <= 300; i += 10) await append(log, { entries: entries(1, i, i + 9) })
      await reset(log, { term: 7, index: 1000 }, hardState(8, 3n, 1000))
      assert.deepEqual(await openedWithout(log, options), {
        hardState: hardState(8, 3n, 1000),
        start: { term: 7, index: 1000 },
        entries: [],
      })
      const again = await openWal(options)
      await append(again.log, { entries: entries(8, 1001, 1002) })
      await reset(again.log, { term: 1, index: 20 }, hardState(9, 3n, 20))
      await append(again.log, { entries: entries(9, 21, 22) })
      await again.log.close()
      const recovered = await reopened(options)
      assert.deepEqual(recovered.start, { term: 1, index: 20 })
      assert.deepEqual(plain(recovered.entries), plain(entries(9, 21, 22)))
    })

    withLog('an append that does not fit the log is a bug of the caller', async (options) => {
      const { log } = await openWal(options)
      await append(log, { entries: entries(1, 1, 10) })
      assert.throws(() => log.append({ hardState: null, entries: entries(1, 12, 13) }, () => {}), {
        name: 'InvariantError',
      })
      const gap = [...entries(1, 11, 11), ...entries(1, 13, 13)]
      assert.throws(() => log.append({ hardState: null, entries: gap }, () => {}), { name: 'InvariantError' })
      await log.close()
      assert.equal((await reopened(options)).entries.length, 10)
    })

    withLog('another member or cluster is refused', async (options) => {
      const { log } = await openWal(options)
      await log.close()
      for (const foreign of [{ memberId: memberId(0xa2n) }, { clusterId: clusterId(0xc2n) }]) {
        await assert.rejects(openWal({ ...options, ...foreign }), (error: Error) => {
          assert.match(
            error.message,
            /0000000000000001\.wal: belongs to cluster c1 member a1, not to cluster c[12] member a[12]$/,
          )
          return 'fault' in error && error.fault === 'foreign'
        })
      }
      assert.equal((await reopened(options)).entries.length, 0)
    })

    withLog('after close appends fail', async (options) => {
      const { log } = await openWal(options)
      await log.close()
      await assert.rejects(append(log, { entries: entries(1, 1, 1) }), { name: 'StorageError', fault: 'failed' })
    })
  })

  async function openedWithout(log: { close(): Promise<void> }, options: WalOptions) {
    await log.close()
    return reopened(options)
  }
}
