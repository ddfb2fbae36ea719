/**
 * Work on one view that can pause. Whoever runs it may let others go on between two steps, or not; the view must stay the
 * same. A step is about `rowsPerStep` rows or `bytesPerStep`, a tenth of a millisecond; it yields the bytes of memory that the
 * work has come to hold since the step before, negative if it holds less.
 */
export type Steps<T> = Generator<number, T, void>

/** Runs all steps without a pause. */
export function allAtOnce<T>(steps: Steps<T>): T {
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

export const rowsPerStep = 32
const bytesPerStep = 128 * 1024

/** Says when a step has done enough. */
export class Pace {
  #rows = 0
  #bytes = 0
  #held = 0

  /**
   * One row was looked at.
   *
   * @param bytes that were copied for it.
   * @param held how much of them is still needed after this step.
   * @returns whether it is time to yield `next()`.
   */
  isOver(bytes: number, held: number): boolean {
    this.#rows++
    this.#bytes += bytes
    this.#held += held
    return this.#rows >= rowsPerStep || this.#bytes >= bytesPerStep
  }

  /** Begins another step. @returns the bytes that the one before has come to hold. */
  next(): number {
    const held = this.#held
    this.#rows = 0
    this.#bytes = 0
    this.#held = 0
    return held
  }
}
