import type { MemberId } from '../../src/base/ids.ts'
import type { Dice } from './dice.ts'
import type { EventQueue } from './event-queue.ts'

export interface NetworkFaults {
  delayMs: readonly [low: number, high: number]
  lossRate: number
  duplicateRate: number
  /** Messages on one link may overtake each other. */
  reorders: boolean
  /** A deliberate bug for the test of the checkers: also what must not be delivered twice is. */
  repeatsProposals: boolean
  /** Another: proposals arrive as if they had been sent in the term of who gets them. */
  renewsProposals: boolean
}

export interface Delivery {
  /** False for what a transport would never deliver twice, or would resend until it arrives. */
  readonly mayRepeat: boolean
  readonly mayBeLost: boolean
}

const linkName = (from: MemberId, to: MemberId): string => `${from}>${to}`

/** Every link between two members: delay, loss, duplication, order, and one-way cuts. */
export class Network {
  readonly #queue: EventQueue
  readonly #dice: Dice
  readonly faults: NetworkFaults
  readonly #cut = new Set<string>()
  readonly #slow = new Map<string, number>()
  readonly #lastArrivalMs = new Map<string, number>()

  constructor(queue: EventQueue, dice: Dice, faults: NetworkFaults) {
    this.#queue = queue
    this.#dice = dice
    this.faults = faults
  }

  cut(from: MemberId, to: MemberId): void {
    this.#cut.add(linkName(from, to))
  }

  isCut(from: MemberId, to: MemberId): boolean {
    return this.#cut.has(linkName(from, to))
  }

  /** Every message on this link takes `factor` times as long. */
  slow(from: MemberId, to: MemberId, factor: number): void {
    this.#slow.set(linkName(from, to), factor)
  }

  heal(): void {
    this.#cut.clear()
    this.#slow.clear()
  }

  get isWhole(): boolean {
    return this.#cut.size === 0
  }

  /** @returns false if the sender can tell that the link is down. */
  transmit(from: MemberId, to: MemberId, delivery: Delivery, deliver: () => void): boolean {
    if (this.isCut(from, to)) return false
    if (delivery.mayBeLost && this.#dice.chance(this.faults.lossRate)) return true
    const copies = delivery.mayRepeat && this.#dice.chance(this.faults.duplicateRate) ? 2 : 1
    const link = linkName(from, to)
    for (let copy = 0; copy < copies; copy++) {
      const delayMs = this.#dice.between(...this.faults.delayMs) * (this.#slow.get(link) ?? 1)
      let arrivalMs = this.#queue.nowMs + delayMs
      if (!this.faults.reorders) {
        arrivalMs = Math.max(arrivalMs, this.#lastArrivalMs.get(link) ?? 0)
        this.#lastArrivalMs.set(link, arrivalMs)
      }
      this.#queue.after(arrivalMs - this.#queue.nowMs, () => {
        if (!this.isCut(from, to)) deliver()
      })
    }
    return true
  }
}
