import type { Clock } from './ports.ts'

/**
 * Time that this process was awake for. Reads of the clock that lie further apart than `gapMsMax` mean that it stood
 * still between them, in a long transaction or because it was stopped: that time is left out.
 */
export class WakingClock {
  readonly #clock: Clock
  readonly #gapMsMax: number
  #seenMs: number
  #leftOutMs = 0

  /** @param gapMsMax more than passes between two reads of a process that is awake. */
  constructor(clock: Clock, gapMsMax: number) {
    this.#clock = clock
    this.#gapMsMax = gapMsMax
    this.#seenMs = clock.nowMs()
  }

  nowMs(): number {
    const now = this.#clock.nowMs()
    const gap = now - this.#seenMs
    if (gap > this.#gapMsMax) this.#leftOutMs += gap
    this.#seenMs = now
    return now - this.#leftOutMs
  }
}
