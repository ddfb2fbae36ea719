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

  /**
   * If all is full, the newest item of the source that has most gives way to one of a source that has less.
   *
   * @param gaveWay is called with that one.
   * @returns false if there is no room for another one of this source.
   */
  add(source: string, item: Item, gaveWay: (item: Item) => void = () => {}): boolean {
    const size = this.#bySource.get(source)?.size ?? 0
    if (size >= this.#perSourceMax) return false
    if (this.#size >= this.#max) {
      const most = this.#sourceOfMost()
      if (most === null || most.items.size < size + 2) return false
      const newest = [...most.items].at(-1)!
      this.remove(most.source, newest)
      gaveWay(newest)
    }
    const items = this.#bySource.get(source) ?? new Set()
    this.#bySource.set(source, items.add(item))
    this.#size++
    return true
  }

  #sourceOfMost(): { readonly source: string; readonly items: ReadonlySet<Item> } | null {
    let most: { readonly source: string; readonly items: ReadonlySet<Item> } | null = null
    for (const [source, items] of this.#bySource) {
      if (most === null || items.size > most.items.size) most = { source, items }
    }
    return most
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
