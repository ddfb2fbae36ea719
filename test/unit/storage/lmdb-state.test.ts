import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLog } from '../../../src/base/log.ts'
import { openLmdbState } from '../../../src/storage/lmdb-state.ts'
import { stateStoreContract } from '../../contract/state-store.ts'

stateStoreContract('lmdb', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'leasehold-state-'))
  const { store } = await openLmdbState({ dir, log: silentLog })
  return {
    store,
    close: async () => {
      await store.close()
      await rm(dir, { recursive: true })
    },
  }
})
