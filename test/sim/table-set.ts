import { assert } from '../../src/base/assert.ts'
import {
  type Pair,
  type ScanOptions,
  type Table,
  tableKeyBytesMax,
  tables,
  type WriteView,
} from '../../src/mvcc/view.ts'
import { fingerprint } from './hash.ts'
import { bytesOf, SortedTable, textOf } from './sorted-table.ts'

/** A write as it happened, with what was there before. */
export interface Change {
  readonly table: Table
  readonly key: string
  readonly before: Uint8Array | undefined
  readonly after: Uint8Array | undefined
}

/**
 * What every member must agree on at the same applied index. `history` and `old` differ while compaction is under way,
 * and so does the mark of how far that is.
 */
const isAgreed = (table: Table, key: string): boolean => table !== 'history' && table !== 'old' && key !== 'compaction'

/** All tables of one state, as a write view; keeps a digest of what members must agree on up to date. */
export class TableSet implements WriteView {
  readonly #tables: Map<Table, SortedTable>
  #digest: number
  /** Where writes are recorded while a transaction runs; null forbids writing. */
  #changes: Change[] | null = null

  constructor(from?: TableSet) {
    this.#tables = new Map(tables.map((name) => [name, from ? from.#tables.get(name)!.clone() : new SortedTable()]))
    this.#digest = from ? from.#digest : 0
  }

  /** Does not depend on the order of writes: the sum of a fingerprint for each pair. */
  get digest(): number {
    return this.#digest
  }

  /** Runs `work` with write access. If it throws, nothing of it stays. */
  transact(work: (view: WriteView) => void): Change[] {
    assert(this.#changes === null, 'one transaction at a time')
    const changes: Change[] = []
    this.#changes = changes
    try {
      work(this)
      return changes
    } catch (error) {
      this.undo(changes)
      throw error
    } finally {
      this.#changes = null
    }
  }

  undo(changes: readonly Change[]): void {
    for (let i = changes.length - 1; i >= 0; i--) {
      const { table, key, before } = changes[i]!
      this.#set(table, key, before)
    }
  }

  redo(changes: readonly Change[]): void {
    for (const { table, key, after } of changes) this.#set(table, key, after)
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    const value = this.#tables.get(table)!.get(textOf(key))
    // A copy, because returned bytes belong to the caller.
    return value === undefined ? undefined : value.slice()
  }

  *scan(table: Table, options: ScanOptions): Iterable<Pair> {
    const rows = this.#tables.get(table)!
    const low = rows.lowerBound(textOf(options.start))
    const high = options.end === null ? rows.size : rows.lowerBound(textOf(options.end))
    for (let i = low; i < high; i++) {
      const key = rows.keyAt(options.reverse ? high - 1 - (i - low) : i)
      yield [bytesOf(key), rows.get(key)!.slice()]
    }
  }

  count(table: Table, options: Omit<ScanOptions, 'reverse'>): number {
    const rows = this.#tables.get(table)!
    const high = options.end === null ? rows.size : rows.lowerBound(textOf(options.end))
    return Math.max(0, high - rows.lowerBound(textOf(options.start)))
  }

  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    assert(key.length > 0 && key.length <= tableKeyBytesMax, 'a table key is within its bounds')
    this.#write(table, textOf(key), value.slice())
  }

  remove(table: Table, key: Uint8Array): void {
    this.#write(table, textOf(key), undefined)
  }

  #write(table: Table, key: string, after: Uint8Array | undefined): void {
    assert(this.#changes !== null, 'writes happen inside a transaction')
    const before = this.#tables.get(table)!.get(key)
    if (before === undefined && after === undefined) return
    this.#changes.push({ table, key, before, after })
    this.#set(table, key, after)
  }

  #set(table: Table, key: string, value: Uint8Array | undefined): void {
    const rows = this.#tables.get(table)!
    if (isAgreed(table, key)) {
      const before = rows.get(key)
      if (before !== undefined) this.#digest = addMod(this.#digest, -fingerprint(`${table}/${key}`, before))
      if (value !== undefined) this.#digest = addMod(this.#digest, fingerprint(`${table}/${key}`, value))
    }
    rows.set(key, value)
  }
}

/** Fingerprints have 52 bits: sums are kept there so that they stay exact. */
const digestModulus = 2 ** 52

function addMod(a: number, b: number): number {
  const sum = (a + b) % digestModulus
  return sum < 0 ? sum + digestModulus : sum
}
