import type { LeaseChange } from '../../../src/apply/outcome.ts'
import { formatId, type LeaseId } from '../../../src/base/ids.ts'
import { requireProperty } from '../violation.ts'

interface Promised {
  /** World milliseconds before which the lease must not expire. */
  untilMs: number
  /** A client has asked for its end, or no longer cares. */
  released: boolean
  /** Null while the lease is not known to be granted; Infinity while it lives. */
  endedMs: number | null
}

/** A lease whose grant or renewal was confirmed lives for its TTL from the moment when that was asked for. */
export class LeasePromises {
  readonly #nowMs: () => number
  readonly #fastestClock: number
  readonly #leases = new Map<LeaseId, Promised>()

  /** @param fastestClock local milliseconds per world millisecond of the fastest member. */
  constructor(nowMs: () => number, fastestClock: number) {
    this.#nowMs = nowMs
    this.#fastestClock = fastestClock
  }

  /** A grant or renewal asked for at `askedMs` was confirmed. */
  confirmed(id: LeaseId, askedMs: number, ttlSeconds: number): void {
    const lease = this.#lease(id)
    lease.untilMs = Math.max(lease.untilMs, askedMs + (ttlSeconds * 1000) / this.#fastestClock)
    this.#check(id, lease)
  }

  revocationAsked(id: LeaseId): void {
    this.#lease(id).released = true
  }

  changed(change: LeaseChange): void {
    if (change.kind === 'checkpointed') return
    const lease = this.#lease(change.id)
    lease.endedMs = change.kind === 'granted' ? Number.POSITIVE_INFINITY : this.#nowMs()
    this.#check(change.id, lease)
  }

  /** Leases that exist now. */
  alive(): LeaseId[] {
    return [...this.#leases].filter(([, lease]) => lease.endedMs === Number.POSITIVE_INFINITY).map(([id]) => id)
  }

  #check(id: LeaseId, lease: Promised): void {
    // Null: the answer came out of the very transaction that grants it.
    if (lease.released || lease.endedMs === null) return
    const early = lease.untilMs - lease.endedMs
    requireProperty(early <= 0, 'lease expiry', () => `${formatId(id)} ended ${early.toFixed(1)} ms early`)
  }

  #lease(id: LeaseId): Promised {
    let lease = this.#leases.get(id)
    if (!lease) {
      lease = { untilMs: 0, released: false, endedMs: null }
      this.#leases.set(id, lease)
    }
    return lease
  }
}
