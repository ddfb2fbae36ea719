import { closeSync, constants, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'

/** Whoever can write the folder may have put a link there, or a pipe, which would be waited for. */
const { O_WRONLY, O_CREAT, O_NOFOLLOW, O_NONBLOCK } = constants
const flags = O_WRONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK

/** SQLITE_BUSY. */
const busy = 5

/**
 * Takes a lock that only one process, or one part of it, can have. It is the system's (fcntl), so it ends with the process
 * however that ends, and it holds across containers that share the folder. Node has no call for it; SQLite does it for an
 * exclusive transaction, on a file that stays empty.
 *
 * @param file is made, with mode 0600, in a folder that exists.
 * @param waitMsMax how long to wait for who has it, with the thread.
 * @returns releases the lock; null: somebody else has it.
 * @throws Error if the file cannot be made or locked.
 */
export function lockFile(file: string, waitMsMax: number): (() => void) | null {
  // SQLite would make it readable for everyone.
  closeSync(openSync(file, flags, 0o600))
  const database = new DatabaseSync(file, { timeout: waitMsMax })
  try {
    // The journal of a transaction that writes nothing is never written either; without a file it cannot even be begun.
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
  } catch (error) {
    database.close()
    if (error instanceof Error && 'errcode' in error && error.errcode === busy) return null
    throw error
  }
  return () => database.close()
}
