import { compareBytes } from '../base/bytes.ts'
import type { Pair, ScanOptions } from '../mvcc/view.ts'

/** Pairs in key order, in two parallel arrays. Writes move what lies behind: for tests and simulations, not for size. */
export class SortedTable {
  readonly #keys: Uint8Array[]
  readonly #values: Uint8Array[]
  #bytes: number

  constructor(from: SortedTable | null = null) {
    this.#keys = from === null ? [] : from.#keys.slice()
    this.#values = from === null ? [] : from.#values.slice()
    this.#bytes = from === null ? 0 : from.#bytes
  }

  /** Of all keys and values. */
  get bytes(): number {
    return this.#bytes
  }

  get(key: Uint8Array): Uint8Array | undefined {
    const at = this.#lowerBound(key)
    return this.#holds(at, key) ? copyOf(this.#values[at]!) : undefined
  }

  put(key: Uint8Array, value: Uint8Array): void {
    const at = this.#lowerBound(key)
    if (this.#holds(at, key)) {
      this.#bytes += value.length - this.#values[at]!.length
      this.#values[at] = copyOf(value)
    } else {
      this.#bytes += key.length + value.length
      this.#keys.splice(at, 0, copyOf(key))
      this.#values.splice(at, 0, copyOf(value))
    }
  }

  remove(key: Uint8Array): void {
    const at = this.#lowerBound(key)
    if (!this.#holds(at, key)) return
    this.#bytes -= key.length + this.#values[at]!.length
    this.#keys.splice(at, 1)
    this.#values.splice(at, 1)
  }

  *scan({ start, end, reverse = false }: ScanOptions): Generator<Pair, void, undefined> {
    const from = this.#lowerBound(start)
    const to = end === null ? this.#keys.length : this.#lowerBound(end)
    if (reverse) for (let at = to - 1; at >= from; at--) yield this.#pair(at)
    else for (let at = from; at < to; at++) yield this.#pair(at)
  }

  count({ start, end }: Omit<ScanOptions, 'reverse'>): number {
    const to = end === null ? this.#keys.length : this.#lowerBound(end)
    return Math.max(0, to - this.#lowerBound(start))
  }

  #pair(at: number): Pair {
    return [copyOf(this.#keys[at]!), copyOf(this.#values[at]!)]
  }

  #holds(at: number, key: Uint8Array): boolean {
    const found = this.#keys[at]
    return found !== undefined && compareBytes(found, key) === 0
  }

  /** Where the first key at or after `key` is. */
  #lowerBound(key: Uint8Array): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareBytes(this.#keys[middle]!, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

/** Bytes that are stored and bytes that are given out are never shared. */
const copyOf = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes)
