/** Bytes as a string of the same order: one code unit per byte. */
export const textOf = (key: Uint8Array): string =>
  Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1')
export const bytesOf = (text: string): Uint8Array => Buffer.from(text, 'latin1')

/** One ordered table in memory. Small: insertion is linear. */
export class SortedTable {
  readonly #keys: string[]
  readonly #values: Map<string, Uint8Array>

  constructor(keys: string[] = [], values: Map<string, Uint8Array> = new Map()) {
    this.#keys = keys
    this.#values = values
  }

  clone(): SortedTable {
    return new SortedTable([...this.#keys], new Map(this.#values))
  }

  get(key: string): Uint8Array | undefined {
    return this.#values.get(key)
  }

  /** `value` undefined removes the key. */
  set(key: string, value: Uint8Array | undefined): void {
    if (value === undefined) {
      if (this.#values.delete(key)) this.#keys.splice(this.lowerBound(key), 1)
      return
    }
    if (!this.#values.has(key)) {
      const keys = this.#keys
      if (keys.length === 0 || keys[keys.length - 1]! < key) keys.push(key)
      else keys.splice(this.lowerBound(key), 0, key)
    }
    this.#values.set(key, value)
  }

  /** Position of the first key at or after `key`. */
  lowerBound(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }

  get size(): number {
    return this.#keys.length
  }

  keyAt(position: number): string {
    return this.#keys[position]!
  }
}
