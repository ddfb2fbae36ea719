import { compareBytes } from '../base/bytes.ts'
import { isEmptyRange, type KeyRange, rangeContains } from '../base/key-range.ts'
import { getCurrentBytes, userKeyOfCurrent } from './current-record.ts'
import { currentBounds, isLongCurrentKey, keyPrefixBytes } from './key-encoding.ts'
import { inKeyOrder, type RowForm } from './long-key-groups.ts'
import { Pace, rowsPerStep, type Steps } from './steps.ts'
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

/** Counting a key takes a fiftieth of what reading it takes. */
const keysCountedPerStep = 128 * rowsPerStep

/** The number of live keys in a range; reads them only if a bound is a long key. */
export function* countCurrent(view: ReadView, range: KeyRange): Steps<number> {
  if (range.isPoint) return getCurrentBytes(view, range.start) === undefined ? 0 : 1
  if (isEmptyRange(range)) return 0
  const bounds = currentBounds(range)
  let count = 0
  if (!bounds.exact) {
    const pace = new Pace()
    for (const { record } of scanCurrent(view, range)) {
      count++
      if (pace.isOver(record.length, 0)) yield pace.next()
    }
    return count
  }
  for (let { start, end } = bounds; ; count += keysCountedPerStep) {
    const next = view.keyAt?.('current', { start, end }, keysCountedPerStep)
    if (next === undefined) return count + view.count('current', { start, end })
    start = next
    yield 0
  }
}
