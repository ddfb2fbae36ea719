import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { utf8 } from '../../../src/base/bytes.ts'
import { silentLog } from '../../../src/base/log.ts'
import { openLmdbReader } from '../../../src/storage/lmdb-reader.ts'
import { openLmdbState } from '../../../src/storage/lmdb-state.ts'
import { flush, transact } from '../../contract/state-store.ts'

test('a reader that has read once and waits does not keep old pages from being used again', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'leasehold-reader-'))
  const { store } = await openLmdbState({ dir, log: silentLog })
  const key = utf8('key')
  const valueBytes = 100_000
  const write = () => transact(store, (view) => view.put('history', key, randomBytes(valueBytes)))
  await write()
  const reader = openLmdbReader(store.path())
  assert.equal(reader.read((view) => view.get('history', key))?.length, valueBytes)
  const writes = 200
  for (let i = 1; i <= writes; i++) {
    await write()
    // Between two flushes no page is used again.
    if (i % 20 === 0) await flush(store)
  }
  assert.ok(store.size().allocated < (writes * valueBytes) / 4, `${store.size().allocated} bytes`)
  await reader.close()
  await store.close()
  await rm(dir, { recursive: true })
})
