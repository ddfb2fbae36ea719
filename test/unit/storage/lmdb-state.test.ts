import assert from 'node:assert/strict'
import { fork, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { utf8 } from '../../../src/base/bytes.ts'
import { silentLog } from '../../../src/base/log.ts'
import { type LmdbState, openLmdbState } from '../../../src/storage/lmdb-state.ts'
import {
  chunksOf,
  dump,
  finish,
  flush,
  install,
  stateStoreContract,
  transact,
  writeChunk,
} from '../../contract/state-store.ts'
import type { ReaderRequest } from '../../support/state-reader-worker.ts'

const log = silentLog

stateStoreContract('lmdb', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'leasehold-state-'))
  const { store } = await openLmdbState({ dir, log })
  return {
    store,
    close: async () => {
      await store.close()
      await rm(dir, { recursive: true })
    },
  }
})

async function inDir(body: (dir: string) => Promise<void>): Promise<void> {
  const base = await mkdtemp(join(tmpdir(), 'leasehold-state-'))
  try {
    await body(join(base, 'state'))
  } finally {
    await rm(base, { recursive: true })
  }
}

async function withStore<T>(dir: string, body: (store: LmdbState) => Promise<T>): Promise<T> {
  const { store } = await openLmdbState({ dir, log })
  try {
    return await body(store)
  } finally {
    await store.close()
  }
}

const put = (store: LmdbState, pairs: Record<string, string>): Promise<void> =>
  transact(store, (view) => {
    for (const [key, value] of Object.entries(pairs)) view.put('meta', utf8(key), utf8(value))
  })

async function replaceByItself(store: LmdbState): Promise<void> {
  const chunks = chunksOf(store)
  const sink = store.openSink()
  for (const chunk of chunks) await writeChunk(sink, chunk)
  await install(await finish(sink))
}

/** Resolves when `dir` has only these entries. */
async function settled(dir: string, want: string[]): Promise<void> {
  for (;;) {
    const names = (await readdir(dir)).sort()
    if (names.join() === want.join()) return
    await new Promise((resolve) => setImmediate(resolve))
  }
}

async function reader(path: string): Promise<(request: ReaderRequest) => Promise<unknown>> {
  const worker = new Worker(new URL('../../support/state-reader-worker.ts', import.meta.url), { workerData: path })
  await once(worker, 'message')
  return async (request) => {
    worker.postMessage(request)
    const [answer] = await once(worker, 'message')
    return answer
  }
}

test('lmdb: what was committed is there after a restart', () =>
  inDir(async (dir) => {
    const before = await withStore(dir, async (store) => {
      await put(store, { a: '1', b: '2' })
      return store.read(dump)
    })
    await withStore(dir, async (store) => assert.deepEqual(store.read(dump), before))
  }))

test('lmdb: what was committed is there after the process is killed', () =>
  inDir(async (dir) => {
    const child = fork(new URL('../../support/state-writer-process.ts', import.meta.url), [dir])
    const committed = await new Promise<number>((resolve) => {
      child.on('message', (count: number) => {
        if (count >= 50) resolve(count)
      })
    })
    child.kill('SIGKILL')
    await once(child, 'exit')
    await withStore(dir, async (store) => {
      const count = store.read((view) => Number(Buffer.from(view.get('meta', utf8('count'))!).toString()))
      assert.ok(count >= committed, `${count} of ${committed}`)
      await put(store, { count: 'more' })
    })
  }))

// A small disk of its own needs namespaces, which not every machine lets a process have.
const smallDisk = 'mount -t tmpfs -o size=4m tmpfs "$1" && exec "$2" "$3" "$1"'
const skipSmallDisk = spawnSync('unshare', ['-rm', 'true']).status === 0 ? false : 'no namespaces here'

test('lmdb: a full disk is called that, and takes no new state', { skip: skipSmallDisk }, () =>
  inDir(async (dir) => {
    await mkdir(dir)
    const filler = fileURLToPath(new URL('../../support/state-filler-process.ts', import.meta.url))
    const args = ['-rm', 'sh', '-c', smallDisk, 'sh', dir, process.execPath, filler]
    const { stdout, stderr } = spawnSync('unshare', args, { encoding: 'utf8', timeout: 60_000 })
    const [commit, snapshot] = stdout.split('\n')
    assert.match(commit!, /state-1: commit failed: .*: no space left on the disk$/, stderr)
    assert.match(snapshot!, /state-2: no space left on the disk for a new state$/, stderr)
  }),
)

test('lmdb: directories and files are for their owner only', () =>
  inDir((dir) =>
    withStore(dir, async (store) => {
      await put(store, { a: '1' })
      const modes: Record<string, string> = {}
      for (const path of ['', 'CURRENT', 'state-1', 'state-1/data.mdb', 'state-1/lock.mdb']) {
        modes[path] = ((await stat(join(dir, path))).mode & 0o777).toString(8)
      }
      const file = '600'
      const own = '700'
      assert.deepEqual(modes, {
        '': own,
        CURRENT: file,
        'state-1': own,
        'state-1/data.mdb': file,
        'state-1/lock.mdb': file,
      })
    }),
  ))

test('lmdb: another thread sees each commit once it is reported', () =>
  inDir((dir) =>
    withStore(dir, async (store) => {
      await put(store, { n: 'start' })
      const asks = await Promise.all([reader(store.path()), reader(store.path())])
      for (let i = 0; i < 300; i++) {
        await put(store, { n: `${i}` })
        assert.deepEqual(await Promise.all(asks.map((ask) => ask({ kind: 'get', key: 'n' }))), [`${i}`, `${i}`])
      }
      for (const ask of asks) assert.equal(await ask({ kind: 'close' }), 'closed')
      await put(store, { n: 'end' })
    }),
  ))

test('lmdb: another thread never reads half a commit', () =>
  inDir((dir) =>
    withStore(dir, async (store) => {
      await transact(store, (view) => {
        for (let i = 0; i < 200; i++) view.put('history', utf8(`${i}`), utf8('x'))
      })
      await put(store, { left: '0', right: '0' })
      const ask = await reader(store.path())
      let over = false
      const compared = ask({ kind: 'compare', rounds: 5000 }).finally(() => {
        over = true
      })
      for (let i = 1; !over; i++) await put(store, { left: `${i}`, right: `${i}` })
      const states = await compared
      assert.ok(typeof states === 'number' && states > 10, `${states}`)
      await ask({ kind: 'close' })
    }),
  ))

test('lmdb: another thread can begin to read while the file grows', () =>
  inDir((dir) =>
    withStore(dir, async (store) => {
      await put(store, { a: '1' })
      const ask = await reader(store.path())
      let opened = 0
      const openings = (async () => {
        for (; opened < 300; opened++) {
          assert.equal(await ask({ kind: 'reopen', path: store.path() }), 'reopened')
        }
      })()
      for (let i = 0; opened < 300; i++) {
        await transact(store, (view) => view.put('history', utf8(`${i}`), new Uint8Array(20_000)))
      }
      await openings
      await ask({ kind: 'close' })
    }),
  ))

test('lmdb: an installed snapshot replaces the state; the old one goes when its readers let go', () =>
  inDir((dir) =>
    withStore(dir, async (store) => {
      await put(store, { a: 'old' })
      const ask = await reader(store.path())
      const releases: (() => void)[] = []
      const paths: string[] = []
      const remove = store.onReplaced((path, release) => {
        paths.push(path)
        releases.push(release)
      })
      const source = store.openSnapshot()
      await replaceByItself(store)
      assert.deepEqual(paths, [join(dir, 'state-2')])
      assert.equal(store.path(), join(dir, 'state-2'))
      await put(store, { a: 'new' })
      assert.equal(await ask({ kind: 'get', key: 'a' }), 'old')
      assert.equal(await ask({ kind: 'reopen', path: store.path() }), 'reopened')
      assert.equal(await ask({ kind: 'get', key: 'a' }), 'new')
      releases[0]!()
      releases[0]!()
      // A snapshot of the old state is still being sent.
      assert.equal(
        source.read((view) => Buffer.from(view.get('meta', utf8('a'))!).toString()),
        'old',
      )
      assert.ok(source.next() !== null)
      assert.ok((await readdir(dir)).includes('state-1'))
      source.close()
      await settled(dir, ['CURRENT', 'state-2'])
      remove()
      await replaceByItself(store)
      assert.equal(paths.length, 1)
      await ask({ kind: 'close' })
      await settled(dir, ['CURRENT', 'state-3'])
    }),
  ))

test('lmdb: an installed snapshot is what a restart finds, and half built states are removed', () =>
  inDir(async (dir) => {
    await withStore(dir, async (store) => {
      await put(store, { a: '1' })
      await replaceByItself(store)
      await put(store, { a: '2' })
      const sink = store.openSink()
      await writeChunk(sink, chunksOf(store)[0]!)
      await settled(dir, ['CURRENT', 'state-2', 'state-3'])
      // Neither finished nor aborted: as a crash would leave it.
    })
    await withStore(dir, async (store) => {
      assert.deepEqual((await readdir(dir)).sort(), ['CURRENT', 'state-2'])
      assert.equal(
        store.read((view) => Buffer.from(view.get('meta', utf8('a'))!).toString()),
        '2',
      )
    })
  }))

for (const { name, damage, want } of [
  {
    name: 'CURRENT is missing',
    damage: (dir: string) => rm(join(dir, 'CURRENT')),
    want: /CURRENT: missing, but there is a state-1$/,
  },
  {
    name: 'CURRENT is nonsense',
    damage: (dir: string) => writeFile(join(dir, 'CURRENT'), '../../etc'),
    want: /CURRENT: does not name a state$/,
  },
  {
    name: 'the live state is missing',
    damage: (dir: string) => rm(join(dir, 'state-1'), { recursive: true }),
    want: /CURRENT: names state-1, which is missing$/,
  },
  {
    name: 'the live state is not LMDB',
    damage: async (dir: string) => {
      const path = join(dir, 'state-1', 'data.mdb')
      await writeFile(path, (await readFile(path)).fill(0x55))
    },
    want: /state-1\/data\.mdb: damaged at offset 0: not an LMDB file$/,
  },
  {
    name: 'the data file lost its end',
    damage: (dir: string) => truncate(join(dir, 'state-1', 'data.mdb'), 8192),
    want: /state-1\/data\.mdb: damaged at offset \d+: page \d+ is not in the file$/,
  },
  {
    name: 'the data file lost all but its front',
    damage: (dir: string) => truncate(join(dir, 'state-1', 'data.mdb'), 100),
    want: /state-1\/data\.mdb: damaged at offset 0: cut short$/,
  },
]) {
  test(`lmdb: a start is refused: ${name}`, () =>
    inDir(async (dir) => {
      await withStore(dir, (store) => put(store, { a: '1' }))
      await damage(dir)
      await mkdir(join(dir, 'state-7'), { recursive: true })
      await assert.rejects(openLmdbState({ dir, log }), (error: Error) => {
        assert.match(error.message, want)
        return 'fault' in error && error.fault === 'damaged'
      })
    }))
}

test('lmdb: a flush covers commits that are visible and not yet on the disk', () =>
  inDir((dir) =>
    withStore(dir, async (store) => {
      for (let i = 0; i < 30; i++) {
        const committed = put(store, { n: `${i}` })
        await committed
        await flush(store)
      }
    }),
  ))
