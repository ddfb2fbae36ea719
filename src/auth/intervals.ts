import { compareBytes } from '../base/bytes.ts'
import { isEmptyRange, type KeyRange } from '../base/key-range.ts'

/** [start, end) of keys; `end === null` is unbounded. */
export interface Interval {
  readonly start: Uint8Array
  readonly end: Uint8Array | null
}

/** Ranges as sorted intervals that neither overlap nor touch. Ranges that contain nothing are left out. */
export function mergeRanges(ranges: readonly KeyRange[]): Interval[] {
  const sorted = ranges.filter((range) => !isEmptyRange(range)).sort((a, b) => compareBytes(a.start, b.start))
  const merged: { start: Uint8Array; end: Uint8Array | null }[] = []
  for (const { start, end } of sorted) {
    const last = merged.at(-1)
    if (last === undefined || (last.end !== null && compareBytes(last.end, start) < 0)) merged.push({ start, end })
    else if (last.end !== null && (end === null || compareBytes(end, last.end) > 0)) last.end = end
  }
  return merged
}

/**
 * Whether the union of `granted` has every key of `asked`, in O(log n): adjacent grants combine, [a,c) and [c,e) cover
 * [a,e). A range that contains nothing is not covered: nobody asks for one in good faith.
 *
 * @param granted the output of `mergeRanges`.
 * @source etcd auth/range_perm_cache.go, checkKeyInterval.
 */
export function covers(granted: readonly Interval[], asked: KeyRange): boolean {
  if (isEmptyRange(asked)) return false
  const interval = intervalAt(granted, asked.start)
  if (interval === null) return false
  return interval.end === null || (asked.end !== null && compareBytes(asked.end, interval.end) <= 0)
}

/** The interval that has `key`. */
export function intervalAt(granted: readonly Interval[], key: Uint8Array): Interval | null {
  let low = 0
  let high = granted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (compareBytes(granted[middle]!.start, key) <= 0) low = middle + 1
    else high = middle
  }
  const interval = granted[low - 1]
  if (interval === undefined) return null
  return interval.end === null || compareBytes(key, interval.end) < 0 ? interval : null
}
