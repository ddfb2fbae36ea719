import type { TrailFolder } from './trail-folder.ts'

/** Reads a trail line by line, from one file to the next, and goes on where it stopped when there is more. */
export class TrailFollower {
  readonly #folder: TrailFolder
  #file: number | null = null
  /** Of the file, in bytes; always behind a newline. */
  #at = 0

  /** @param file to begin with; null: the oldest. */
  constructor(folder: TrailFolder, file: number | null = null) {
    this.#folder = folder
    this.#file = file
  }

  /** Whole lines that have come since the last time, without their newlines. */
  *next(): Generator<string> {
    for (;;) {
      const files = this.#folder.list()
      this.#file ??= files[0] ?? null
      if (this.#file === null) return
      if (!files.includes(this.#file)) {
        // Removed, before all of it was read.
        const after = files.find((file) => file > this.#file!)
        if (after === undefined) return
        this.#begin(after)
      }
      yield* this.#lines(this.#file)
      const after = files.find((file) => file > this.#file!)
      if (after === undefined) return
      // Nothing is written to a file once there is another one, but it may have been before that was seen.
      yield* this.#lines(this.#file)
      this.#begin(after)
    }
  }

  #begin(file: number): void {
    this.#file = file
    this.#at = 0
  }

  *#lines(file: number): Generator<string> {
    const bytes = this.#folder.read(file, this.#at)
    for (let from = 0; ; ) {
      const end = bytes.indexOf(0x0a, from)
      if (end === -1) return
      const line = bytes.toString('utf8', from, end)
      this.#at += end + 1 - from
      from = end + 1
      yield line
    }
  }
}
