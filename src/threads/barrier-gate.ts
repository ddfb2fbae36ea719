import { assert } from '../base/assert.ts'
import type { Index } from '../base/ids.ts'

/**
 * Read barriers, shared by all readers that ask in one turn: one question to the core, then everyone waits until the
 * visible state has reached the index that it named.
 */
export class BarrierGate {
  readonly #onFirst: () => void
  readonly #visible: () => Index
  #gathering: PromiseWithResolvers<void> | null = null
  #waiting: { readonly index: Index; readonly gate: PromiseWithResolvers<void> }[] = []

  /** @param onFirst called when a turn's first reader comes: `issue` is to follow within the turn. */
  constructor(onFirst: () => void, visible: () => Index) {
    this.#onFirst = onFirst
    this.#visible = visible
  }

  wait(): Promise<void> {
    if (this.#gathering === null) {
      this.#gathering = Promise.withResolvers<void>()
      this.#onFirst()
    }
    return this.#gathering.promise
  }

  /** Asks for all who have come; whoever comes later needs a later answer. Nothing to do if nobody has. */
  issue(ask: (done: (error: Error | null, index: Index) => void) => void): void {
    const gate = this.#gathering
    if (gate === null) return
    this.#gathering = null
    ask((error, index) => {
      if (error !== null) gate.reject(error)
      else if (index <= this.#visible()) gate.resolve()
      else this.#waiting.push({ index, gate })
    })
  }

  /** The visible state has moved on. */
  advance(): void {
    if (this.#waiting.length === 0) return
    const visible = this.#visible()
    const still = this.#waiting.filter((waiter) => waiter.index > visible)
    for (const { index, gate } of this.#waiting) if (index <= visible) gate.resolve()
    this.#waiting = still
  }

  /** Refuses all who wait; those whose question is still with the core get its answer or failure. */
  fail(error: Error): void {
    const gates = this.#waiting.map((waiter) => waiter.gate)
    if (this.#gathering !== null) gates.push(this.#gathering)
    this.#waiting = []
    this.#gathering = null
    for (const gate of gates) gate.reject(error)
    assert(this.#gathering === null, 'rejecting runs no reader synchronously')
  }
}
