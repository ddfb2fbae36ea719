/** Waiting items of several sources, of which each has its turn. Bounded, for all and for each source. */
export class FairQueue<Item> {
  readonly #max: number
  readonly #perSourceMax: number
  /** Next source first. None is empty. */
  readonly #bySource = new Map<string, Set<Item>>()
  #size = 0

  constructor(max: number, perSourceMax: number) {
    this.#max = max
    this.#perSourceMax = perSourceMax
  }

  get size(): number {
    return this.#size
  }

  /** @returns false if there is no room for another one of this source. */
  add(source: string, item: Item): boolean {
    const items = this.#bySource.get(source) ?? new Set()
    if (this.#size >= this.#max || items.size >= this.#perSourceMax) return false
    this.#bySource.set(source, items.add(item))
    this.#size++
    return true
  }

  /** The oldest item of the source whose turn it is; null: none waits. */
  take(): Item | null {
    for (const [source, items] of this.#bySource) {
      for (const item of items) {
        this.remove(source, item)
        // To the end of the row.
        if (items.size > 0) {
          this.#bySource.delete(source)
          this.#bySource.set(source, items)
        }
        return item
      }
    }
    return null
  }

  /** @returns whether it still waited. */
  remove(source: string, item: Item): boolean {
    const items = this.#bySource.get(source)
    if (items?.delete(item) !== true) return false
    this.#size--
    if (items.size === 0) this.#bySource.delete(source)
    return true
  }
}
