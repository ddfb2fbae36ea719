import { assert } from '../../src/base/assert.ts'

export interface Scheduled {
  cancel(): void
}

interface Event {
  readonly atMs: number
  /** Breaks ties: what was scheduled first runs first. */
  readonly order: number
  run: (() => void) | null
}

const isBefore = (a: Event, b: Event): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.order < b.order)

/** Virtual time in milliseconds, and what is going to happen in it. Time passes only from one event to the next. */
export class EventQueue {
  /** A binary heap, earliest first. */
  readonly #heap: Event[] = []
  #nowMs = 0
  #order = 0

  get nowMs(): number {
    return this.#nowMs
  }

  after(delayMs: number, run: () => void): Scheduled {
    assert(delayMs >= 0, 'an event cannot be in the past')
    const event: Event = { atMs: this.#nowMs + delayMs, order: this.#order++, run }
    this.#push(event)
    return {
      cancel: () => {
        event.run = null
      },
    }
  }

  /** Runs the next event. @returns false if there is none at or before `untilMs`; time then stands at `untilMs`. */
  step(untilMs: number): boolean {
    for (;;) {
      const next = this.#heap[0]
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs)
        return false
      }
      this.#pop()
      if (next.run === null) continue
      this.#nowMs = next.atMs
      next.run()
      return true
    }
  }

  #push(event: Event): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(event)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!isBefore(event, heap[parent]!)) break
      heap[at] = heap[parent]!
      at = parent
    }
    heap[at] = event
  }

  #pop(): void {
    const heap = this.#heap
    const last = heap.pop()!
    if (heap.length === 0) return
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++
      if (!isBefore(heap[child]!, last)) break
      heap[at] = heap[child]!
      at = child
    }
    heap[at] = last
  }
}
