import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** Held by SQLite's exclusive transaction: SQLITE_BUSY. */
const busy = 5

/**
 * Takes a folder for this process alone: two members that write the same log destroy it. The lock is the system's
 * (fcntl), so it ends with the process however that ends, and it holds across containers that share the folder. Node has
 * no call for it; SQLite does it for an exclusive transaction, on a file that stays empty.
 *
 * @param name of the lock's file in `folder`, which must exist.
 * @returns releases the lock.
 * @throws Error in one line if another process, or another member in this one, has it.
 */
export function lockFolder(folder: string, name: string): () => void {
  const file = join(folder, name)
  // SQLite would make it readable for everyone.
  closeSync(openSync(file, 'a', 0o600))
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    // The journal of a transaction that writes nothing is never written either; without a file it cannot even be begun.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    if (cause instanceof Error && 'errcode' in cause && cause.errcode === busy)
      throw new Error(`${folder} is in use by another process`, { cause })
    throw new Error(`${file} cannot be locked: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  return () => database.close()
}
