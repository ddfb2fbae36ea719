import type { Revision } from '../base/ids.ts'

/**
 * A write is answered a moment before readers see it. This keeps clients from noticing: a serializable read, or a watch
 * from now on, must not be behind a write that the same member has already answered.
 */
export class WriteVisibility {
  #answered: Revision = 0
  #waiting: PromiseWithResolvers<void> | null = null

  /** Highest revision that a write was answered with here. */
  get answered(): Revision {
    return this.#answered
  }

  answeredWith(revision: Revision): void {
    if (revision > this.#answered) this.#answered = revision
  }

  /** @returns null if every answered write is visible; else when they are. */
  wait(visible: Revision): Promise<void> | null {
    if (this.#answered <= visible) return null
    this.#waiting ??= Promise.withResolvers<void>()
    return this.#waiting.promise
  }

  /** Whoever waits may have come for an older write than the newest answered one; all go together, soon enough. */
  advance(visible: Revision): void {
    if (this.#waiting === null || this.#answered > visible) return
    this.#waiting.resolve()
    this.#waiting = null
  }

  fail(error: Error): void {
    this.#waiting?.reject(error)
    this.#waiting = null
  }
}
