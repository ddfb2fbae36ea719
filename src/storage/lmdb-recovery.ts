import { closeSync, fdatasyncSync, openSync, rmSync, truncateSync, writeSync } from 'node:fs'
import * as fsp from 'node:fs/promises'
import { join } from 'node:path'
import { replaceOwnFile } from '../files/whole-file.ts'
import { readBootId } from './boot-id.ts'
import { readCheckpoint } from './checkpoint-file.ts'
import { asError, damagedAt, StorageError } from './storage-error.ts'

export const dataFileName = 'data.mdb'
export const checkpointFileName = 'checkpoint'
const lockFileName = 'lock.mdb'
const bootFileName = 'boot'

/**
 * Makes the environment in `dir` fit to be opened for writing. Its pages reach the disk in any order, so after another
 * run of the operating system only the last checkpoint can be believed: the state goes back to it, and the log brings
 * what came later. Within one run the page cache has everything, however the process ended.
 *
 * @throws StorageError if there is no checkpoint to go back to.
 */
export async function recoverEnvironment(dir: string): Promise<void> {
  const boot = await fsp.readFile(join(dir, bootFileName), 'latin1').catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  })
  // Without it the very first opening did not come to its end, and everything is in the log still.
  if (boot === null) return removeFiles(dir, [dataFileName, lockFileName, checkpointFileName])
  if (boot !== '' && boot === readBootId()) return
  const checkpoint = readCheckpoint(join(dir, checkpointFileName))
  if (checkpoint === null) throw damagedAt(join(dir, checkpointFileName), 0, 'no whole checkpoint')
  // Of the processes and threads of before.
  removeFiles(dir, [lockFileName])
  const fd = openSync(join(dir, dataFileName), 'r+')
  try {
    writeSync(fd, checkpoint.metaPages, 0, checkpoint.metaPages.length, 0)
    fdatasyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

/**
 * Says that the pages of `dir` can be believed for as long as this run of the system lasts. Durable when it returns.
 *
 * @throws StorageError
 */
export async function markBooted(dir: string): Promise<void> {
  const path = join(dir, bootFileName)
  try {
    await replaceOwnFile(path, readBootId() ?? '')
  } catch (error) {
    throw new StorageError('failed', `${path}: ${asError(error).message}`, { cause: error })
  }
}

/**
 * A flush of `dir` has failed, after which the system may forget pages that it could not write: the next opening goes
 * back to the last checkpoint, in this run of the system too. Never throws: where even this fails there is nothing
 * else to try.
 */
export function distrustPages(dir: string): void {
  try {
    truncateSync(join(dir, bootFileName))
  } catch {}
}

function removeFiles(dir: string, names: readonly string[]): void {
  for (const name of names) rmSync(join(dir, name), { force: true })
}
