/**
 * Fills the disk under its folder with commits, and prints how that ends; then what a snapshot meets that is received
 * now.
 */
import { openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { utf8 } from '../../src/base/bytes.ts'
import { silentLog } from '../../src/base/log.ts'
import { openLmdbState } from '../../src/storage/lmdb-state.ts'

/** LMDB may have left less than it needed. */
function fillRest(): void {
  const file = openSync(join(dir, 'ballast'), 'w')
  try {
    for (;;) writeSync(file, new Uint8Array(4096))
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error
  }
}

const dir = process.argv[2]!
const value = new Uint8Array(100_000).fill(1)
const { store } = await openLmdbState({ dir, log: silentLog })
let count = 0
const next = (error?: Error): void => {
  if (error !== undefined) {
    process.stdout.write(`${error.message}\n`)
    fillRest()
    return store.openSink().write(new Uint8Array(0), (refused) => {
      process.stdout.write(`${refused?.message}\n`)
      process.exit(0)
    })
  }
  count++
  store.transact((view) => view.put('meta', utf8(`${count}`), value), next)
}
next()
