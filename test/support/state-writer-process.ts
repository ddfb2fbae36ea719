/** Commits a counter for ever and tells the parent of each commit; the parent kills it. */
import { utf8 } from '../../src/base/bytes.ts'
import { silentLog } from '../../src/base/log.ts'
import { openLmdbState } from '../../src/storage/lmdb-state.ts'

const { store } = await openLmdbState({ dir: process.argv[2]!, log: silentLog })
let count = 0
const next = (error?: Error): void => {
  if (error !== undefined) throw error
  process.send!(count)
  count++
  store.transact((view) => view.put('meta', utf8('count'), utf8(`${count}`)), next)
}
next()
