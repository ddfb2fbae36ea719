import { closeSync, constants, fstatSync, openSync, readSync, write } from 'node:fs'
import { crc32 } from 'node:zlib'
import type { IoDone } from './fs.ts'

/** LMDB's largest. */
const pageBytesMax = 65_536
/** Checksum of what follows, sequence number, page size. */
const headerBytes = 4 + 8 + 4
const slotBytes = headerBytes + 2 * pageBytesMax
const slots = 2

/** LMDB's two meta pages at one moment: with them the data file is the state of that moment, if its pages are there. */
export interface Checkpoint {
  readonly sequence: number
  readonly pageBytes: number
  readonly metaPages: Uint8Array
}

/** @returns the newest whole checkpoint in the file at `path`; null if there is no file or no whole checkpoint in it. */
export function readCheckpoint(path: string): Checkpoint | null {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
  try {
    let newest: Checkpoint | null = null
    for (let slot = 0; slot < slots; slot++) {
      const found = readSlot(fd, slot)
      if (found !== null && (newest === null || found.sequence > newest.sequence)) newest = found
    }
    return newest
  } finally {
    closeSync(fd)
  }
}

function readSlot(fd: number, slot: number): Checkpoint | null {
  const start = slot * slotBytes
  const bytes = Buffer.alloc(Math.max(0, Math.min(slotBytes, fstatSync(fd).size - start)))
  if (bytes.length < headerBytes || readSync(fd, bytes, 0, bytes.length, start) < bytes.length) return null
  const pageBytes = bytes.readUInt32LE(12)
  const end = headerBytes + 2 * pageBytes
  if (end > bytes.length || crc32(bytes.subarray(4, end)) !== bytes.readUInt32LE(0)) return null
  return { sequence: Number(bytes.readBigUInt64LE(4)), pageBytes, metaPages: bytes.subarray(headerBytes, end) }
}

/** Writes checkpoints into two slots by turns, so that one is always whole. One `write` at a time. */
export class CheckpointFile {
  readonly #fd: number
  #sequence: number

  constructor(path: string) {
    this.#sequence = readCheckpoint(path)?.sequence ?? 0
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_SYNC, 0o600)
  }

  /** `done` when it is on stable storage. */
  write(pageBytes: number, metaPages: Uint8Array, done: IoDone): void {
    const sequence = this.#sequence + 1
    const bytes = Buffer.alloc(headerBytes + metaPages.length)
    bytes.writeBigUInt64LE(BigInt(sequence), 4)
    bytes.writeUInt32LE(pageBytes, 12)
    bytes.set(metaPages, headerBytes)
    bytes.writeUInt32LE(crc32(bytes.subarray(4)), 0)
    write(this.#fd, bytes, 0, bytes.length, (sequence % slots) * slotBytes, (error, written) => {
      if (error !== null) return done(error)
      if (written < bytes.length) return done(new Error('a checkpoint was written in part'))
      this.#sequence = sequence
      done(null)
    })
  }

  close(): void {
    closeSync(this.#fd)
  }
}
