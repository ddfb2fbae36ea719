import { compareBytes } from '../base/bytes.ts'
import { isEmptyRange, type KeyRange, rangeContains } from '../base/key-range.ts'
import { getCurrentBytes, userKeyOfCurrent } from './current-record.ts'
import { currentBounds, isLongCurrentKey, keyPrefixBytes } from './key-encoding.ts'
import { inKeyOrder, type RowForm } from './long-key-groups.ts'
import type { ReadView } from './view.ts'

/** A live key and its record (`decodeCurrent`). */
export interface CurrentRow {
  readonly key: Uint8Array
  readonly record: Uint8Array
}

const form: RowForm<CurrentRow> = {
  isLong: isLongCurrentKey,
  groupBytes: keyPrefixBytes,
  decode: (row, record) => ({ key: isLongCurrentKey(row) ? userKeyOfCurrent(record) : row, record }),
  compare: (a, b) => compareBytes(a.key, b.key),
}

/** The live keys of a range, in key order. */
export function* scanCurrent(view: ReadView, range: KeyRange, reverse = false): Generator<CurrentRow> {
  if (range.isPoint) {
    const record = getCurrentBytes(view, range.start)
    if (record !== undefined) yield { key: range.start, record }
    return
  }
  if (isEmptyRange(range)) return
  const bounds = currentBounds(range)
  const rows = inKeyOrder(view.scan('current', { start: bounds.start, end: bounds.end, reverse }), form, reverse)
  if (bounds.exact) yield* rows
  else for (const row of rows) if (rangeContains(range, row.key)) yield row
}

/** The number of live keys in a range; reads them only if a bound is a long key. */
export function countCurrent(view: ReadView, range: KeyRange): number {
  if (range.isPoint) return getCurrentBytes(view, range.start) === undefined ? 0 : 1
  if (isEmptyRange(range)) return 0
  const bounds = currentBounds(range)
  if (bounds.exact) return view.count('current', bounds)
  let count = 0
  for (const _ of scanCurrent(view, range)) count++
  return count
}
