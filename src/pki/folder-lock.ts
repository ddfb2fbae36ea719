import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { PkiError } from './pki-error.ts'

const lockFile = 'lock'
/** SQLITE_BUSY. */
const busy = 5

/**
 * Runs `work` while no other process does so for `dir`, waiting until the one before has ended. The lock is the system's
 * and ends with the process; SQLite's exclusive transaction on an empty file is how Node gets at one.
 *
 * @throws PkiError if the one before takes longer than `waitMsMax`.
 */
export function withFolderLock<T>(dir: string, work: () => T, waitMsMax = 20_000): T {
  const file = join(dir, lockFile)
  let database: DatabaseSync
  try {
    // SQLite would make it readable for everyone.
    closeSync(openSync(file, 'a', 0o600))
    database = new DatabaseSync(file, { timeout: waitMsMax })
  } catch (error) {
    throw new PkiError(`${file}: cannot be opened: ${(error as NodeJS.ErrnoException).code ?? 'error'}`, {
      cause: error,
    })
  }
  try {
    try {
      // The journal of a transaction that writes nothing is never written; without a file it cannot even be begun.
      database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE')
    } catch (error) {
      const isBusy = error instanceof Error && 'errcode' in error && error.errcode === busy
      throw new PkiError(isBusy ? `${dir}: another command is at work on it` : `${file}: cannot be locked`, {
        cause: error,
      })
    }
    return work()
  } finally {
    database.close()
  }
}
