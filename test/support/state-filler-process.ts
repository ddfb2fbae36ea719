/** Fills the disk under its folder with commits, and prints how that ends. */
import { utf8 } from '../../src/base/bytes.ts'
import { silentLog } from '../../src/base/log.ts'
import { openLmdbState } from '../../src/storage/lmdb-state.ts'

const value = new Uint8Array(100_000).fill(1)
const { store } = await openLmdbState({ dir: process.argv[2]!, log: silentLog })
let count = 0
const next = (error?: Error): void => {
  if (error !== undefined) {
    process.stdout.write(`${error.message}\n`)
    process.exit(0)
  }
  count++
  store.transact((view) => view.put('meta', utf8(`${count}`), value), next)
}
next()
