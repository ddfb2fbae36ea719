/**
 * - damaged: bytes that were once on stable storage do not read back as written, or a file is missing
 * - foreign: the files belong to another cluster, another member or another version of the format
 * - failed: a write or sync was refused by the system, now or earlier; what is on disk is unknown until a restart
 */
export type StorageFault = 'damaged' | 'foreign' | 'failed'

/** The storage cannot go on; the member must stop. The message names the file and, where it applies, the offset. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly fault: StorageFault
  constructor(fault: StorageFault, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.fault = fault
  }
}

export const damagedAt = (file: string, offset: number, what: string): StorageError =>
  new StorageError('damaged', `${file}: damaged at offset ${offset}: ${what}`)

export const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)))
