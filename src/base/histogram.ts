/**
 * Observations sorted into buckets. Counting one costs a walk over a few numbers and two additions; the cells may lie in
 * memory that another thread reads.
 */
export class Histogram {
  /** Upper bounds of the buckets, each included, ascending; one more bucket has no bound. */
  readonly bounds: readonly number[]
  /** A count for each bucket, then the sum of all observations. */
  readonly #cells: Float64Array

  /** How many cells it takes. */
  static cellsOf(bounds: readonly number[]): number {
    return bounds.length + 2
  }

  constructor(bounds: readonly number[], cells: Float64Array = new Float64Array(Histogram.cellsOf(bounds))) {
    this.bounds = bounds
    this.#cells = cells
  }

  observe(value: number): void {
    const { bounds } = this
    let bucket = 0
    while (bucket < bounds.length && value > bounds[bucket]!) bucket++
    const cells = this.#cells
    cells[bucket]!++
    cells[bounds.length + 1]! += value
  }

  /** For each bucket how many fell into it, not into those below; the unbounded one last. */
  get counts(): Float64Array {
    return this.#cells.slice(0, this.bounds.length + 1)
  }

  get sum(): number {
    return this.#cells[this.bounds.length + 1]!
  }
}

/** From a millisecond on, each bound twice the one before: the buckets of etcd's histograms for the disk. */
export const diskSecondsBounds: readonly number[] = Array.from({ length: 14 }, (_, i) => 0.001 * 2 ** i)
