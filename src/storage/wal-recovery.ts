import { type ClusterId, formatId, type MemberId, noMember } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { Entry, EntryId, HardState } from '../raft/types.ts'
import type { RecoveredLog } from '../replica/ports.ts'
import type { FileSystem } from './fs.ts'
import { damagedAt, StorageError } from './storage-error.ts'
import { decodeBatch, decodeHeader, findRecord, headerBytes, recordAt, type SegmentHeader } from './wal-format.ts'
import { removeSpares, type SealedSegment, segmentPath, sequenceOf } from './wal-segment.ts'

export interface RecoveryOptions {
  readonly dir: string
  readonly clusterId: ClusterId
  readonly memberId: MemberId
  readonly fs: FileSystem
  readonly log: Log
}

export interface Recovery {
  readonly recovered: RecoveredLog
  /** In order; those that a reset made void are removed. */
  readonly segments: SealedSegment[]
  /** Sequence number for the next segment. */
  readonly nextSequence: number
  /** Of the last record, to which the next segment links. */
  readonly crc: number
}

interface FoundSegment extends SealedSegment {
  readonly header: SegmentHeader
}

/** A segment is at most one batch longer than its capacity; a file above this is not one of ours. */
const segmentFileBytesMax = 1024 * 1024 * 1024

/** The log as read so far. */
interface Replay {
  start: EntryId
  hardState: HardState
  readonly entries: Entry[]
  crc: number
}

const lastOf = ({ start, entries }: Replay): EntryId => {
  const last = entries.at(-1)
  return last === undefined ? start : { term: last.term, index: last.index }
}

/**
 * Reads the log, cuts a torn tail, and makes what is left durable.
 *
 * @throws StorageError `damaged` or `foreign`; nothing has been changed then.
 */
export async function recoverWal(options: RecoveryOptions): Promise<Recovery> {
  const { dir, fs, log } = options
  await fs.makeDir(dir)
  const all = await findSegments(options)
  const resetAt = all.findLastIndex(({ header }) => header.kind === 'reset')
  const live = resetAt > 0 ? all.slice(resetAt) : all
  const first = live[0]
  if (first === undefined) {
    const recovered = { hardState: { term: 0, vote: noMember, commit: 0 }, start: { term: 0, index: 0 }, entries: [] }
    return { recovered, segments: [], nextSequence: 1, crc: 0 }
  }
  const { start, hardState } = first.header
  const replay: Replay = { start, hardState, entries: [], crc: 0 }
  for (const [i, segment] of live.entries()) {
    if (i > 0) checkContinues(replay, segment)
    replay.crc = 0
    await replaySegment(fs, log, replay, segment, first.header.kind === 'continue', i === live.length - 1)
  }
  for (const { path } of all.slice(0, all.length - live.length)) {
    await fs.remove(path)
    await fs.syncDir(dir)
  }
  const recovered = { hardState: replay.hardState, start: replay.start, entries: replay.entries }
  return { recovered, segments: live, nextSequence: live.at(-1)!.sequence + 1, crc: replay.crc }
}

async function findSegments({ dir, clusterId, memberId, fs }: RecoveryOptions): Promise<FoundSegment[]> {
  await removeSpares(fs, dir)
  const sequences = (await fs.list(dir)).map(sequenceOf).filter((sequence) => sequence !== null)
  sequences.sort((a, b) => a - b)
  const found: FoundSegment[] = []
  for (const sequence of sequences) {
    const path = segmentPath(dir, sequence)
    if (found.length > 0 && found.at(-1)!.sequence + 1 !== sequence) {
      throw new StorageError('damaged', `${segmentPath(dir, found.at(-1)!.sequence + 1)}: missing from the log`)
    }
    const bytes = await readFront(fs, path, headerBytes)
    const header = decodeHeader(bytes)
    if (header === 'other version') throw new StorageError('foreign', `${path}: written in another version's format`)
    if (typeof header === 'string') throw damagedAt(path, 0, header)
    if (header.sequence !== sequence) throw damagedAt(path, 0, `it is segment ${header.sequence}, renamed`)
    if (header.cluster !== clusterId || header.member !== memberId) {
      const theirs = `cluster ${formatId(header.cluster)} member ${formatId(header.member)}`
      const ours = `cluster ${formatId(clusterId)} member ${formatId(memberId)}`
      throw new StorageError('foreign', `${path}: belongs to ${theirs}, not to ${ours}`)
    }
    found.push({ path, sequence, start: header.start, header })
  }
  return found
}

/** @param length null for the whole file. */
async function readFront(fs: FileSystem, path: string, length: number | null): Promise<Buffer> {
  const file = await fs.open(path, 'read')
  try {
    const size = await file.size()
    if (size > segmentFileBytesMax) throw new StorageError('damaged', `${path}: ${size} bytes is no log segment`)
    const bytes = await file.read(0, length === null ? size : Math.min(length, size))
    return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  } finally {
    await file.close()
  }
}

function checkContinues(replay: Replay, { path, header }: FoundSegment): void {
  const last = lastOf(replay)
  const continues =
    header.previousCrc === replay.crc && header.start.index === last.index && header.start.term === last.term
  if (!continues) {
    throw damagedAt(path, 0, `it starts after entry ${header.start.index}, the segment before ends at ${last.index}`)
  }
  // A commit index may have been held back for the next append when the segment was cut.
  replay.hardState = header.hardState
}

async function replaySegment(
  fs: FileSystem,
  log: Log,
  replay: Replay,
  { path, header }: FoundSegment,
  frontReleased: boolean,
  isLast: boolean,
): Promise<void> {
  const bytes = await readFront(fs, path, null)
  let offset = headerBytes
  for (;;) {
    const record = recordAt(bytes, offset, header)
    if (record === null) break
    if (record.link !== replay.crc) throw damagedAt(path, offset, 'record does not follow the one before')
    const batch = decodeBatch(record.payload)
    if (batch === null) throw damagedAt(path, offset, 'malformed record')
    if (batch.hardState !== null) replay.hardState = batch.hardState
    if (batch.previous !== null) {
      const fault = placeEntries(replay, batch.previous, batch.entries, frontReleased)
      if (fault !== null) throw damagedAt(path, offset, fault)
    }
    replay.crc = record.crc
    offset = record.next
  }
  if (!isZeroFrom(bytes, offset)) {
    if (!isLast) throw damagedAt(path, offset, 'bad record, and a later segment follows')
    const behind = findRecord(bytes, offset + 8, header)
    if (behind >= 0) throw damagedAt(path, offset, `bad record, and a good one follows at offset ${behind}`)
    log.warn('cut a torn record at the end of the log', { file: path, offset })
  }
  if (isLast) await cutTail(fs, path, Math.min(offset, bytes.length))
}

const zeros = Buffer.alloc(64 * 1024)

function isZeroFrom(bytes: Buffer, offset: number): boolean {
  for (let at = offset; at < bytes.length; at += zeros.length) {
    const length = Math.min(zeros.length, bytes.length - at)
    if (bytes.compare(zeros, 0, length, at, at + length) !== 0) return false
  }
  return true
}

/** @param mayStartLower segments before the first may have been released, and with them the entries that these replace. */
function placeEntries(
  replay: Replay,
  previous: EntryId,
  entries: readonly Entry[],
  mayStartLower: boolean,
): string | null {
  const last = lastOf(replay)
  if (previous.index > last.index) return `entry ${previous.index + 1} follows entry ${last.index}`
  if (previous.index < replay.start.index) {
    if (!mayStartLower) return `entry ${previous.index + 1} lies before the log's start`
    replay.start = previous
    replay.entries.length = 0
  }
  const kept = previous.index - replay.start.index
  const term = kept === 0 ? replay.start.term : replay.entries[kept - 1]!.term
  if (term !== previous.term) return `entry ${previous.index} has term ${term}, not ${previous.term}`
  replay.entries.length = kept
  for (const entry of entries) replay.entries.push(entry)
  return null
}

async function cutTail(fs: FileSystem, path: string, size: number): Promise<void> {
  const file = await fs.open(path, 'readWrite')
  try {
    await file.truncate(size)
    await file.sync()
  } finally {
    await file.close()
  }
}
