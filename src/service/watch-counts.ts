/** What operators watch of the watches of one serving thread. In memory that another thread may read. */
export class WatchCounts {
  static readonly cells = 4
  readonly #cells: Float64Array

  constructor(cells: Float64Array = new Float64Array(WatchCounts.cells)) {
    this.#cells = cells
  }

  /** Open Watch calls. */
  get streams(): number {
    return this.#cells[0]!
  }
  set streams(value: number) {
    this.#cells[0] = value
  }

  /** Watches on them. */
  get watchers(): number {
    return this.#cells[1]!
  }
  set watchers(value: number) {
    this.#cells[1] = value
  }

  /** Those of the watches that read history, or wait for their client to take what it was sent. */
  get slowWatchers(): number {
    return this.#cells[2]!
  }
  set slowWatchers(value: number) {
    this.#cells[2] = value
  }

  /** Events sent, to each watch its own. */
  get events(): number {
    return this.#cells[3]!
  }
  set events(value: number) {
    this.#cells[3] = value
  }

  /** Nothing is open: these cells have served another hub before. */
  reset(): void {
    this.streams = 0
    this.watchers = 0
    this.slowWatchers = 0
  }
}
