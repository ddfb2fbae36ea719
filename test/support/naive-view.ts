import { compareBytes } from '../../src/base/bytes.ts'
import {
  type Pair,
  type ScanOptions,
  type Table,
  tableKeyBytesMax,
  tables,
  type WriteView,
} from '../../src/mvcc/view.ts'

/** The plainest possible state: each table a sorted array. Checks what a real store would refuse. */
export class NaiveView implements WriteView {
  readonly #tables: Record<Table, Pair[]>

  constructor(rowsOf: (table: Table) => readonly Pair[] = () => []) {
    this.#tables = Object.fromEntries(tables.map((table) => [table, [...rowsOf(table)]])) as unknown as Record<
      Table,
      Pair[]
    >
  }

  /** The state as it is now, which no later write changes. */
  copy(): NaiveView {
    return new NaiveView((table) => this.#tables[table])
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    const rows = this.#tables[table]
    const at = this.#find(rows, key)
    const row = rows[at]
    return row !== undefined && compareBytes(row[0], key) === 0 ? row[1] : undefined
  }

  *scan(table: Table, { start, end, reverse = false }: ScanOptions): Generator<Pair> {
    const rows = this.#tables[table]
    const first = this.#find(rows, start)
    const last = end === null ? rows.length : this.#find(rows, end)
    const writes = this.#writes
    for (let i = 0; i < last - first; i++) {
      if (this.#writes !== writes) throw new Error('the view was written to during a scan')
      yield rows[reverse ? last - 1 - i : first + i]!
    }
  }

  count(table: Table, { start, end }: Omit<ScanOptions, 'reverse'>): number {
    const rows = this.#tables[table]
    return Math.max(0, (end === null ? rows.length : this.#find(rows, end)) - this.#find(rows, start))
  }

  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    if (key.length === 0 || key.length > tableKeyBytesMax) throw new Error(`table key of ${key.length} bytes`)
    this.#writes++
    const rows = this.#tables[table]
    const at = this.#find(rows, key)
    const row = rows[at]
    const pair: Pair = [Uint8Array.from(key), Uint8Array.from(value)]
    if (row !== undefined && compareBytes(row[0], key) === 0) rows[at] = pair
    else if (at === rows.length) rows.push(pair)
    else rows.splice(at, 0, pair)
  }

  remove(table: Table, key: Uint8Array): void {
    this.#writes++
    const rows = this.#tables[table]
    const at = this.#find(rows, key)
    const row = rows[at]
    if (row !== undefined && compareBytes(row[0], key) === 0) rows.splice(at, 1)
  }

  /** Everything, for comparing two states. */
  dump(): string[] {
    return tables.flatMap((table) => this.#tables[table].map(([key, value]) => `${table} ${hex(key)} ${hex(value)}`))
  }

  rows(table: Table): readonly Pair[] {
    return this.#tables[table]
  }

  #writes = 0

  #find(rows: readonly Pair[], key: Uint8Array): number {
    let low = 0
    let high = rows.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBytes(rows[middle]![0], key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
