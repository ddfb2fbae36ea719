import { join } from 'node:path'
import type { EntryId } from '../raft/types.ts'
import type { FileSystem, StorageFile } from './fs.ts'
import { encodeHeader, headerBytes, type SegmentHeader } from './wal-format.ts'

/** A segment on disk that is no longer written to. */
export interface SealedSegment {
  readonly path: string
  readonly sequence: number
  readonly start: EntryId
}

/** The segment that takes appends. `offset` is where the next record goes; `capacity` how far the file is zero-filled. */
export interface ActiveSegment extends SealedSegment {
  readonly file: StorageFile
  readonly header: SegmentHeader
  readonly capacity: number
  offset: number
  /** Of the last record. */
  crc: number
}

/** A zero-filled file without a name in the log yet. */
export interface SpareSegment {
  readonly file: StorageFile
  readonly path: string
  readonly capacity: number
}

const segmentName = /^([0-9a-f]{16})\.wal$/
const temporarySuffix = '.tmp'
/** Zeros in one durable write: more would make an append to the live segment wait behind them. */
const fillBytes = 512 * 1024
/** Left free on the disk by a segment that is prepared ahead of need. */
const reservedBytes = 16 * 1024 * 1024

export const segmentPath = (dir: string, sequence: number): string =>
  join(dir, `${sequence.toString(16).padStart(16, '0')}.wal`)

/** The sequence number in a file's name, or null if it is no segment. */
export function sequenceOf(name: string): number | null {
  const match = segmentName.exec(name)
  return match === null ? null : Number.parseInt(match[1]!, 16)
}

/**
 * Writes zeros, so that later appends change neither the file's size nor its blocks and a sync has only data to flush.
 *
 * @param capacity bytes; rounded up to whole fills.
 */
export async function prepareSpare(fs: FileSystem, dir: string, name: number, capacity: number): Promise<SpareSegment> {
  const path = join(dir, `${name.toString(16)}${temporarySuffix}`)
  const file = await fs.open(path, 'create')
  try {
    const zeros = new Uint8Array(Math.min(fillBytes, capacity))
    for (let at = 0; at < capacity; at += zeros.length) {
      const length = Math.min(zeros.length, capacity - at)
      await new Promise<void>((resolve, reject) => {
        file.write(zeros, length, at, (error) => (error === null ? resolve() : reject(error)))
      })
    }
  } catch (error) {
    // On a full disk, what the spare has taken is what the rest needs most.
    await file.close()
    await fs.remove(path).catch(() => {})
    throw error
  }
  return { file, path, capacity }
}

/**
 * As `prepareSpare`, in the background. What is made ahead of need must not take the last room from the rest, least of
 * all from the state beside it, which cannot go on without.
 */
export async function prepareSpareAhead(
  fs: FileSystem,
  dir: string,
  name: number,
  capacity: number,
): Promise<SpareSegment> {
  if ((await fs.freeBytes(dir)) < capacity + reservedBytes) throw new Error('no room for a segment ahead of need')
  return prepareSpare(fs, dir, name, capacity)
}

/** What an earlier life has prepared and not used. */
export async function removeSpares(fs: FileSystem, dir: string): Promise<void> {
  for (const name of await fs.list(dir)) if (name.endsWith(temporarySuffix)) await fs.remove(join(dir, name))
}

/** Gives the spare its header and then its name; both are durable when this returns, and a crash leaves both or none. */
export async function beginSegment(
  fs: FileSystem,
  dir: string,
  spare: SpareSegment,
  header: SegmentHeader,
): Promise<ActiveSegment> {
  await new Promise<void>((resolve, reject) => {
    spare.file.write(encodeHeader(header), headerBytes, 0, (error) => (error === null ? resolve() : reject(error)))
  })
  const path = segmentPath(dir, header.sequence)
  await fs.rename(spare.path, path)
  await fs.syncDir(dir)
  const { file, capacity } = spare
  return { path, sequence: header.sequence, start: header.start, file, header, capacity, offset: headerBytes, crc: 0 }
}
