import { join } from 'node:path'
import { lockFile } from '../files/lock-file.ts'

/**
 * Takes a folder for this process alone: two members that write the same log destroy it.
 *
 * @param name of the lock's file in `folder`, which must exist.
 * @returns releases the lock.
 * @throws Error in one line if another process, or another member in this one, has it.
 */
export function lockFolder(folder: string, name: string): () => void {
  const file = join(folder, name)
  let unlock: (() => void) | null
  try {
    unlock = lockFile(file, 0)
  } catch (cause) {
    throw new Error(`${file} cannot be locked: ${cause instanceof Error ? cause.message : String(cause)}`, { cause })
  }
  if (unlock === null) throw new Error(`${folder} is in use by another process`)
  return unlock
}
