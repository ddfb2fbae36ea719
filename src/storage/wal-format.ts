/**
 * Bytes of a log segment. All numbers are little-endian.
 *
 *     header    magic 8, version u32, kind u32, cluster id u64, member id u64, sequence u64,
 *               start term u64, start index u64, hard state (term u64, vote u64, commit u64),
 *               last crc of the segment before u32, seed u32, tag u32, crc of all before u32       = 96 bytes
 *     record    crc u32, length u32, type ^ tag u32, crc of the record before u32, payload, zeros up to 8 bytes
 *     payload   flags u32, count u32, [hard state 24], [previous term u64, previous index u64],
 *               count x (data length u32, entry type u32, term u64, data)
 *
 * One append is one record, so a torn write is always one record and always the last. `seed` and `tag` are random for
 * each segment: bytes of a client's value never look like a record, so "is there a valid record behind the damage?" can
 * be answered by looking for one.
 */
import { crc32 } from 'node:zlib'
import { type ClusterId, type MemberId, memberId } from '../base/ids.ts'
import type { Entry, EntryId, HardState } from '../raft/types.ts'

export const headerBytes = 96
export const recordHeaderBytes = 16
const magic = Buffer.from('LEASEWAL', 'latin1')
const version = 1
const batchType = 1
const hardStateFlag = 1
const hardStateBytes = 24
const entryHeaderBytes = 16

/** How a segment came to be: `reset` voids everything before it. */
export type SegmentKind = 'continue' | 'reset'

export interface SegmentHeader {
  readonly kind: SegmentKind
  readonly cluster: ClusterId
  readonly member: MemberId
  readonly sequence: number
  /** The log's last entry when the segment began. */
  readonly start: EntryId
  readonly hardState: HardState
  /** Links to the last record of the segment before; 0 in the first segment and after a reset. */
  readonly previousCrc: number
  readonly seed: number
  readonly tag: number
}

/** One append. `previous` is the entry before the first of `entries`; null if there are none. */
export interface Batch {
  readonly hardState: HardState | null
  readonly previous: EntryId | null
  readonly entries: readonly Entry[]
}

export const isSafeCount = (value: number): boolean => Number.isSafeInteger(value) && value >= 0

const writeSafe = (buffer: Buffer, value: number, at: number): void => {
  buffer.writeUInt32LE(value % 0x1_0000_0000, at)
  buffer.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
}
/** May exceed the safe range if the bytes are damaged: check with `isSafeCount`. */
const readSafe = (buffer: Buffer, at: number): number =>
  buffer.readUInt32LE(at) + buffer.readUInt32LE(at + 4) * 0x1_0000_0000

function writeHardState(buffer: Buffer, { term, vote, commit }: HardState, at: number): void {
  writeSafe(buffer, term, at)
  buffer.writeBigUInt64LE(vote, at + 8)
  writeSafe(buffer, commit, at + 16)
}
const readHardState = (buffer: Buffer, at: number): HardState => ({
  term: readSafe(buffer, at),
  vote: memberId(buffer.readBigUInt64LE(at + 8)),
  commit: readSafe(buffer, at + 16),
})
const isHardState = ({ term, commit }: HardState): boolean => isSafeCount(term) && isSafeCount(commit)

export function encodeHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(headerBytes)
  magic.copy(bytes)
  bytes.writeUInt32LE(version, 8)
  bytes.writeUInt32LE(header.kind === 'reset' ? 1 : 0, 12)
  bytes.writeBigUInt64LE(header.cluster, 16)
  bytes.writeBigUInt64LE(header.member, 24)
  writeSafe(bytes, header.sequence, 32)
  writeSafe(bytes, header.start.term, 40)
  writeSafe(bytes, header.start.index, 48)
  writeHardState(bytes, header.hardState, 56)
  bytes.writeUInt32LE(header.previousCrc, 80)
  bytes.writeUInt32LE(header.seed, 84)
  bytes.writeUInt32LE(header.tag, 88)
  bytes.writeUInt32LE(crc32(bytes.subarray(0, 92)), 92)
  return bytes
}

/** The header, or what is wrong with it. */
export function decodeHeader(bytes: Buffer): SegmentHeader | 'not a log segment' | 'other version' | 'bad checksum' {
  if (bytes.length < headerBytes || !bytes.subarray(0, 8).equals(magic)) return 'not a log segment'
  if (bytes.readUInt32LE(8) !== version) return 'other version'
  if (crc32(bytes.subarray(0, 92)) !== bytes.readUInt32LE(92)) return 'bad checksum'
  return {
    kind: bytes.readUInt32LE(12) === 1 ? 'reset' : 'continue',
    cluster: bytes.readBigUInt64LE(16) as ClusterId,
    member: memberId(bytes.readBigUInt64LE(24)),
    sequence: readSafe(bytes, 32),
    start: { term: readSafe(bytes, 40), index: readSafe(bytes, 48) },
    hardState: readHardState(bytes, 56),
    previousCrc: bytes.readUInt32LE(80),
    seed: bytes.readUInt32LE(84),
    tag: bytes.readUInt32LE(88),
  }
}

const aligned = (length: number): number => (length + 7) & ~7
/** Bytes a record with a payload of `length` takes. */
export const recordBytes = (length: number): number => aligned(recordHeaderBytes + length)

/** Bytes that the record of `batch` takes. */
export function sizeOfRecord(batch: Batch): number {
  let length = 8 + (batch.hardState === null ? 0 : hardStateBytes) + (batch.previous === null ? 0 : 16)
  for (const entry of batch.entries) length += entryHeaderBytes + entry.data.length
  return recordBytes(length)
}

/**
 * Writes the record of `batch` to the front of `target`, which has room for `size` = `sizeOfRecord(batch)`.
 *
 * @returns the record's crc, to which the next one links.
 */
export function encodeRecord(batch: Batch, size: number, header: SegmentHeader, link: number, target: Buffer): number {
  const { hardState, previous, entries } = batch
  // The last 8 bytes first: the padding lies in them, and what is not padding is written over below.
  target.fill(0, size - 8, size)
  let at = recordHeaderBytes
  target.writeUInt32LE(hardState === null ? 0 : hardStateFlag, at)
  target.writeUInt32LE(entries.length, at + 4)
  at += 8
  if (hardState !== null) {
    writeHardState(target, hardState, at)
    at += hardStateBytes
  }
  if (previous !== null) {
    writeSafe(target, previous.term, at)
    writeSafe(target, previous.index, at + 8)
    at += 16
  }
  for (const { data, term, type } of entries) {
    target.writeUInt32LE(data.length, at)
    target.writeUInt32LE(type === 'normal' ? 0 : 1, at + 4)
    writeSafe(target, term, at + 8)
    target.set(data, at + entryHeaderBytes)
    at += entryHeaderBytes + data.length
  }
  target.writeUInt32LE(at - recordHeaderBytes, 4)
  target.writeUInt32LE((batchType ^ header.tag) >>> 0, 8)
  target.writeUInt32LE(link, 12)
  const crc = crc32(target.subarray(4, at), header.seed)
  target.writeUInt32LE(crc, 0)
  return crc
}

export interface RawRecord {
  readonly crc: number
  readonly link: number
  readonly payload: Buffer
  /** Where the next record begins. */
  readonly next: number
}

/** The record at `offset` if one is there whole and its checksum holds, else null. Never reads or allocates past `bytes`. */
export function recordAt(bytes: Buffer, offset: number, header: SegmentHeader): RawRecord | null {
  const payloadStart = offset + recordHeaderBytes
  if (payloadStart > bytes.length) return null
  if (bytes.readUInt32LE(offset + 8) !== (batchType ^ header.tag) >>> 0) return null
  const length = bytes.readUInt32LE(offset + 4)
  if (length > bytes.length - payloadStart) return null
  const payloadEnd = payloadStart + length
  const crc = bytes.readUInt32LE(offset)
  if (crc32(bytes.subarray(offset + 4, payloadEnd), header.seed) !== crc) return null
  return {
    crc,
    link: bytes.readUInt32LE(offset + 12),
    payload: bytes.subarray(payloadStart, payloadEnd),
    next: offset + recordBytes(length),
  }
}

/** The offset of the first valid record at or after `from`, or -1. */
export function findRecord(bytes: Buffer, from: number, header: SegmentHeader): number {
  for (let offset = aligned(from); offset + recordHeaderBytes <= bytes.length; offset += 8) {
    if (recordAt(bytes, offset, header) !== null) return offset
  }
  return -1
}

/** Null if the payload does not parse exactly: a checksum that holds over nonsense is damage too. */
export function decodeBatch(payload: Buffer): Batch | null {
  if (payload.length < 8) return null
  const flags = payload.readUInt32LE(0)
  const count = payload.readUInt32LE(4)
  if (flags > hardStateFlag || count > payload.length / entryHeaderBytes) return null
  let at = 8
  let hardState: HardState | null = null
  if (flags === hardStateFlag) {
    if (payload.length < at + hardStateBytes) return null
    hardState = readHardState(payload, at)
    if (!isHardState(hardState)) return null
    at += hardStateBytes
  }
  if (count === 0) return payload.length === at ? { hardState, previous: null, entries: [] } : null
  if (payload.length < at + 16) return null
  const previous = { term: readSafe(payload, at), index: readSafe(payload, at + 8) }
  if (!isSafeCount(previous.term) || !isSafeCount(previous.index + count)) return null
  at += 16
  // One copy for the whole batch, so that an entry that is kept keeps its batch in memory and not the segment.
  const copy = new Uint8Array(payload)
  const entries: Entry[] = []
  for (let i = 1; i <= count; i++) {
    if (payload.length < at + entryHeaderBytes) return null
    const length = payload.readUInt32LE(at)
    const type = payload.readUInt32LE(at + 4)
    const term = readSafe(payload, at + 8)
    at += entryHeaderBytes
    if (length > payload.length - at || type > 1 || !isSafeCount(term)) return null
    const data = new Uint8Array(copy.buffer, at, length)
    entries.push({ term, index: previous.index + i, type: type === 0 ? 'normal' : 'confChange', data })
    at += length
  }
  return at === payload.length ? { hardState, previous, entries } : null
}
