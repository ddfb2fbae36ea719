import { equalBytes } from '../base/bytes.ts'
import type { Pair } from './view.ts'

/** How the rows of one table are read back into user keys. */
export interface RowForm<T> {
  readonly isLong: (row: Uint8Array) => boolean
  /** Bytes of a long row that all rows of its group share. */
  readonly groupBytes: number
  readonly decode: (row: Uint8Array, bytes: Uint8Array) => T
  readonly compare: (a: T, b: T) => number
}

/** Decodes rows in table order and puts each group of long keys, which the table keeps by hash, into key order. */
export function* inKeyOrder<T>(rows: Iterable<Pair>, form: RowForm<T>, reverse: boolean): Generator<T> {
  let group: T[] = []
  let groupRow: Uint8Array | null = null
  for (const [row, bytes] of rows) {
    const long = form.isLong(row)
    if (groupRow !== null && !(long && sameGroup(groupRow, row, form.groupBytes))) {
      yield* sorted(group, form, reverse)
      group = []
      groupRow = null
    }
    const item = form.decode(row, bytes)
    if (long) {
      group.push(item)
      groupRow = row
    } else yield item
  }
  if (group.length > 0) yield* sorted(group, form, reverse)
}

const sameGroup = (a: Uint8Array, b: Uint8Array, bytes: number): boolean =>
  equalBytes(a.subarray(0, bytes), b.subarray(0, bytes))

const sorted = <T>(group: T[], { compare }: RowForm<T>, reverse: boolean): T[] =>
  group.sort(reverse ? (a, b) => compare(b, a) : compare)
