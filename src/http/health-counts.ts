/** How often this member was asked for its health, and what it said. In memory that another thread may read. */
export class HealthCounts {
  static readonly cells = 2
  readonly #cells: Float64Array

  constructor(cells: Float64Array = new Float64Array(HealthCounts.cells)) {
    this.#cells = cells
  }

  answered(isHealthy: boolean): void {
    this.#cells[isHealthy ? 0 : 1]!++
  }

  get succeeded(): number {
    return this.#cells[0]!
  }

  get failed(): number {
    return this.#cells[1]!
  }
}
