/**
 * User keys, of any bytes and up to the request size limit, as table keys of at most `tableKeyBytesMax` bytes that sort
 * like the user keys.
 *
 * A key too long for a table key keeps its first 1900 bytes and ends in the SHA-256 of the whole key; the record then
 * carries the whole key. Keys that agree in their first 1900 bytes thus stand together, but in the order of their
 * hashes: scans read such a group whole and sort it (`scan-current.ts`, `scan-past.ts`). A group's records without
 * values and its whole keys are in memory for that time; nobody but a client who writes thousands of such keys on
 * purpose sees the cost, and only on ranges that touch the group.
 *
 * SHA-256 is the one thing from `node:` in the pure cores: it is computation, not input or output.
 */
import { createHash } from 'node:crypto'
import { emptyBytes } from '../base/bytes.ts'
import type { KeyRange } from '../base/key-range.ts'
import { putId, putUint64 } from './uint.ts'

/** Bytes of a key that take part in table order. */
export const keyPrefixBytes = 1900
const hashBytes = 32
/** Sorts after every table key that has the same prefix. */
const afterGroup = new Uint8Array(hashBytes + 9).fill(0xff)

const hashOf = (key: Uint8Array): Uint8Array => createHash('sha256').update(key).digest()

/** Bounds of a table scan; null is unbounded. */
export interface TableBounds {
  readonly start: Uint8Array
  readonly end: Uint8Array | null
  /** Every row within is inside the user range; if false, compare each user key. */
  readonly exact: boolean
}

// --- current: the key itself, or prefix ++ hash ---

export function currentKey(key: Uint8Array): Uint8Array {
  return key.length <= keyPrefixBytes ? key : Buffer.concat([key.subarray(0, keyPrefixBytes), hashOf(key)])
}

/** Whether a key of the `current` table is in the long form: its record has the user key. */
export const isLongCurrentKey = (tableKey: Uint8Array): boolean => tableKey.length > keyPrefixBytes

export function currentBounds(range: KeyRange): TableBounds {
  const { start, end } = range
  const longStart = start.length > keyPrefixBytes
  const longEnd = end !== null && end.length > keyPrefixBytes
  return {
    start: longStart ? start.subarray(0, keyPrefixBytes) : start,
    end: longEnd ? Buffer.concat([end.subarray(0, keyPrefixBytes), afterGroup]) : end,
    exact: !longStart && !longEnd,
  }
}

// --- leaseKeys: lease id (8 bytes) ++ the same ---

export function leaseKeyKey(lease: bigint, key: Uint8Array): Uint8Array {
  const encoded = currentKey(key)
  const row = Buffer.allocUnsafe(8 + encoded.length)
  putId(row, 0, lease)
  row.set(encoded, 8)
  return row
}

// --- old: escaped key ++ 00 00 ++ main revision (8 bytes), or escaped prefix ++ hash ++ main revision ---
//
// Escaping (00 becomes 00 ff) with the terminator 00 00 makes the code order-preserving and prefix-free, so that the
// revision behind it never takes part in comparing two keys. The short form holds if the terminator is still within
// the prefix length: then no cut prefix of a long key can equal it.

const oldTailBytes = 8
const longOldKeyBytes = keyPrefixBytes + hashBytes + oldTailBytes

export function oldKey(key: Uint8Array, main: number): Uint8Array {
  const zeros = countZeros(key)
  const escapedLength = key.length + zeros
  if (escapedLength + 2 <= keyPrefixBytes) {
    const row = Buffer.allocUnsafe(escapedLength + 2 + oldTailBytes)
    escapeInto(row, key, escapedLength, zeros)
    row[escapedLength] = 0
    row[escapedLength + 1] = 0
    putUint64(row, escapedLength + 2, main)
    return row
  }
  const row = Buffer.allocUnsafe(longOldKeyBytes)
  row.set(oldPrefix(key), 0)
  row.set(hashOf(key), keyPrefixBytes)
  putUint64(row, keyPrefixBytes + hashBytes, main)
  return row
}

export const isLongOldKey = (row: Uint8Array): boolean => row.length === longOldKeyBytes

/** The user key of a short row. */
export function userKeyOfOld(row: Uint8Array): Uint8Array {
  const end = row.length - oldTailBytes - 2
  const first = row.indexOf(0)
  if (first >= end) return row.subarray(0, end)
  const key = new Uint8Array(end)
  let length = 0
  for (let at = 0; at < end; at++) {
    const byte = row[at]!
    key[length++] = byte
    if (byte === 0) at++
  }
  return key.subarray(0, length)
}

/** Where the main revision stands in a row. */
export const oldMainOffset = (row: Uint8Array): number => row.length - oldTailBytes

export function oldBounds(range: KeyRange): TableBounds {
  const start = oldPrefix(range.start)
  const end = range.end === null ? null : oldPrefix(range.end)
  return {
    start,
    end: end !== null && end.length === keyPrefixBytes ? Buffer.concat([end, afterGroup]) : end,
    exact: start.length < keyPrefixBytes && (end === null || end.length < keyPrefixBytes),
  }
}

/** What all rows of keys that continue `key` start with: the escaped key, with its terminator cut to the prefix length. */
function oldPrefix(key: Uint8Array): Uint8Array {
  const head = key.length > keyPrefixBytes ? key.subarray(0, keyPrefixBytes) : key
  const zeros = countZeros(head)
  const escapedLength = head.length + zeros
  if (escapedLength === 0) return emptyBytes
  const escaped = Buffer.alloc(escapedLength + 1)
  escapeInto(escaped, head, escapedLength, zeros)
  if (escapedLength >= keyPrefixBytes) return escaped.subarray(0, keyPrefixBytes)
  // The terminator's first byte belongs to the prefix of a key that ends just before the cut.
  return escapedLength + 1 === keyPrefixBytes ? escaped : escaped.subarray(0, escapedLength)
}

function countZeros(key: Uint8Array): number {
  let zeros = 0
  for (let at = key.indexOf(0); at >= 0; at = key.indexOf(0, at + 1)) zeros++
  return zeros
}

function escapeInto(target: Uint8Array, key: Uint8Array, escapedLength: number, zeros: number): void {
  if (zeros === 0) {
    target.set(key, 0)
    return
  }
  let at = 0
  for (let i = 0; i < key.length && at < escapedLength; i++) {
    const byte = key[i]!
    target[at++] = byte
    if (byte === 0) target[at++] = 0xff
  }
}
