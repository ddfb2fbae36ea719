import { compareBytes, equalBytes, nextKey } from './bytes.ts'

/**
 * A half-open range of user keys, [start, end); `end === null` is unbounded. The one form in which authorization,
 * execution, overlap checks and watches see a range; made from wire fields by `rangeFromWire` only.
 * A range whose end is not above its start is valid and matches nothing.
 */
export interface KeyRange {
  readonly start: Uint8Array
  readonly end: Uint8Array | null
  /** True if the range came from a single key: [key, key + NUL). */
  readonly isPoint: boolean
}

const isNul = (bytes: Uint8Array): boolean => bytes.length === 1 && bytes[0] === 0

export const pointRange = (key: Uint8Array): KeyRange => ({ start: key, end: nextKey(key), isPoint: true })

/**
 * @param key first key. The caller has refused or replaced an empty one.
 * @param rangeEnd as on the wire: empty is the single key, one NUL byte is unbounded, else the exclusive end.
 */
export function rangeFromWire(key: Uint8Array, rangeEnd: Uint8Array): KeyRange {
  if (rangeEnd.length === 0) return pointRange(key)
  return { start: key, end: isNul(rangeEnd) ? null : rangeEnd, isPoint: false }
}

export const isEmptyRange = (range: KeyRange): boolean =>
  range.end !== null && compareBytes(range.start, range.end) >= 0

export function rangeContains(range: KeyRange, key: Uint8Array): boolean {
  if (range.isPoint) return equalBytes(range.start, key)
  return compareBytes(range.start, key) <= 0 && (range.end === null || compareBytes(key, range.end) < 0)
}

export function rangesOverlap(a: KeyRange, b: KeyRange): boolean {
  if (isEmptyRange(a) || isEmptyRange(b)) return false
  return (b.end === null || compareBytes(a.start, b.end) < 0) && (a.end === null || compareBytes(b.start, a.end) < 0)
}
