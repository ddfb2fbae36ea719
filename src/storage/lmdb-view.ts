import type { RangeOptions, Transaction } from 'lmdb'
import { assert } from '../base/assert.ts'
import { compareBytes } from '../base/bytes.ts'
import {
  type Pair,
  type ReadView,
  type ScanOptions,
  type Table,
  tableKeyBytesMax,
  type WriteView,
} from '../mvcc/view.ts'
import type { TablesEnv } from './lmdb-env.ts'

/** lmdb gives large values in a reused kind of Buffer that shadows `length`; callers get plain bytes. */
const plainFrom = 0x8000
const plain = (value: Uint8Array): Uint8Array =>
  value.length < plainFrom ? value : new Uint8Array(value.buffer, value.byteOffset, value.length)

const pageBytes = 4096

/** Keys are at most 1978 bytes, so a longer bound lies between its front and the next key: [front, ...) becomes (front, ...). */
const isLong = (bound: Uint8Array): boolean => bound.length > tableKeyBytesMax
const frontOf = (bound: Uint8Array): Uint8Array => (isLong(bound) ? bound.subarray(0, tableKeyBytesMax) : bound)

/** Null if no key can be in the range. */
function rangeOptions(
  { start, end, reverse = false }: ScanOptions,
  transaction: Transaction | null,
): RangeOptions | null {
  if (end !== null && compareBytes(start, end) >= 0) return null
  const options: RangeOptions = { reverse }
  if (transaction !== null) options.transaction = transaction
  if (!reverse) {
    options.start = frontOf(start)
    options.exclusiveStart = isLong(start)
    if (end !== null) {
      options.end = frontOf(end)
      options.inclusiveEnd = isLong(end)
    }
    return options
  }
  // lmdb starts a descending range at `start`, the upper bound. An empty `end` is no bound; a missing one would be.
  if (end !== null) {
    options.start = frontOf(end)
    options.exclusiveStart = !isLong(end)
  }
  options.end = frontOf(start)
  options.inclusiveEnd = !isLong(start)
  return options
}

const finished: IteratorResult<Pair> = { done: true, value: undefined }

class PairIterator implements IterableIterator<Pair> {
  readonly #inner: Iterator<{ key: Uint8Array; value: Uint8Array }>
  constructor(inner: Iterator<{ key: Uint8Array; value: Uint8Array }>) {
    this.#inner = inner
  }
  next(): IteratorResult<Pair> {
    const { done, value } = this.#inner.next()
    return done === true ? finished : { done: false, value: [value.key, plain(value.value)] }
  }
  return(): IteratorResult<Pair> {
    this.#inner.return?.()
    return finished
  }
  [Symbol.iterator](): this {
    return this
  }
}

/**
 * The tables of one environment as seen by the transaction that is current on this thread: the write transaction while
 * one runs, else lmdb's shared read transaction; or by `transaction`, if one is given.
 */
export class LmdbView implements WriteView {
  /** About how much the writes through this view have added to the file: each copies at least the page that it changes. */
  writtenBytes = 0
  readonly #dbs: TablesEnv['dbs']
  readonly #transaction: Transaction | null
  readonly #getOptions: { transaction: Transaction } | undefined

  constructor({ dbs }: TablesEnv, transaction: Transaction | null = null) {
    this.#dbs = dbs
    this.#transaction = transaction
    this.#getOptions = transaction === null ? undefined : { transaction }
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    if (key.length === 0 || key.length > tableKeyBytesMax) return undefined
    const value = this.#dbs[table].getBinary(key, this.#getOptions)
    return value === undefined ? undefined : plain(value)
  }

  scan(table: Table, options: ScanOptions): Iterable<Pair> {
    const range = rangeOptions(options, this.#transaction)
    return range === null ? [] : new PairIterator(this.#dbs[table].getRange(range)[Symbol.iterator]())
  }

  count(table: Table, options: Omit<ScanOptions, 'reverse'>): number {
    const range = rangeOptions(options, this.#transaction)
    return range === null ? 0 : this.#dbs[table].getKeysCount(range)
  }

  keyAt(table: Table, options: Omit<ScanOptions, 'reverse'>, position: number): Uint8Array | undefined {
    const range = rangeOptions(options, this.#transaction)
    if (range === null) return undefined
    for (const key of this.#dbs[table].getKeys({ ...range, offset: position, limit: 1 })) return key
    return undefined
  }

  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    checkKey(key)
    this.writtenBytes += pageBytes + value.length
    this.#dbs[table].put(key, value)
  }

  remove(table: Table, key: Uint8Array): void {
    checkKey(key)
    this.writtenBytes += pageBytes
    this.#dbs[table].remove(key)
  }
}

function checkKey(key: Uint8Array): void {
  assert(key.length > 0 && key.length <= tableKeyBytesMax, `table key of ${key.length} bytes`)
}

/** Where a view may only be read. */
export const readView = (env: TablesEnv, transaction: Transaction | null = null): ReadView =>
  new LmdbView(env, transaction)
