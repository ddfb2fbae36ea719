import { join } from 'node:path'
import { lockFile } from '../files/lock-file.ts'
import { PkiError } from './pki-error.ts'

const lockName = 'lock'

/**
 * Runs `work` while no other process does so for `dir`, waiting until the one before has ended.
 *
 * @throws PkiError if the one before takes longer than `waitMsMax`.
 */
export function withFolderLock<T>(dir: string, work: () => T, waitMsMax = 20_000): T {
  const file = join(dir, lockName)
  let unlock: (() => void) | null
  try {
    unlock = lockFile(file, waitMsMax)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new PkiError(`${file}: cannot be locked: ${code ?? message}`, { cause: error })
  }
  if (unlock === null) throw new PkiError(`${dir}: another command is at work on it`)
  try {
    return work()
  } finally {
    unlock()
  }
}
