import type { LeaseId } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { DueHeap } from './due-heap.ts'
import type { LeaseRecord } from './records.ts'

/**
 * The leader's clock for TTL leases: when each expires, and which are to be revoked now. It decides nothing that is
 * replicated; a lease ends only when its revocation is applied. All times are milliseconds on one monotonic clock.
 */
export interface Lessor {
  readonly leases: Map<LeaseId, LeaseClock>
  /** Exactly one visit for each lease; those of revoked leases fall out when they come up. */
  readonly visits: DueHeap<LeaseClock>
  readonly revokesPerSecond: number
  /** Revocations that may be asked for now; refilled with time. */
  revokeBudget: number
  budgetAtMs: number
}

interface LeaseClock {
  readonly ttlSeconds: number
  expiresAtMs: number
  /** Its revocation has been asked for: it can no longer be renewed. */
  revoking: boolean
}

/** A revocation that was asked for and has not come through is asked for again after this long. */
const revokeRetryMs = 3000
/** Revocations asked for at once after a quiet time: half a second's worth. */
const burstSeconds = 0.5
/** From this many leases on, a new leader spreads their expiries. */
const pileUpLeases = 1000
const pileUpPerSecond = 750
/** Visits of revoked leases that are not worth a clean-up. */
const staleVisitsMin = 64

export function createLessor(options: { readonly revokesPerSecond?: number } = {}): Lessor {
  const revokesPerSecond = options.revokesPerSecond ?? limits.leaseRevokesPerSecond
  return {
    leases: new Map(),
    visits: new DueHeap(),
    revokesPerSecond,
    revokeBudget: revokesPerSecond * burstSeconds,
    budgetAtMs: Number.NEGATIVE_INFINITY,
  }
}

/**
 * Takes over as leader. Nobody knows how much time the leases had left, so each starts again at its full TTL, plus
 * `extendMs` for the time that its holder needs to find this leader. Many leases are spread out (never shortened), so that
 * they do not all expire in the same second.
 */
export function promote(lessor: Lessor, nowMs: number, leases: readonly LeaseRecord[], extendMs: number): void {
  demote(lessor)
  const spacingMs = leases.length >= pileUpLeases ? 1000 / pileUpPerSecond : 0
  let earliestMs = 0
  for (const { id, ttlSeconds } of [...leases].sort((a, b) => a.ttlSeconds - b.ttlSeconds)) {
    const expiresAtMs = Math.max(nowMs + ttlSeconds * 1000 + extendMs, earliestMs)
    earliestMs = expiresAtMs + spacingMs
    start(lessor, id, ttlSeconds, expiresAtMs)
  }
}

/** No longer leader: forgets all times. */
export function demote(lessor: Lessor): void {
  lessor.leases.clear()
  lessor.visits.clear()
}

export const granted = (lessor: Lessor, id: LeaseId, ttlSeconds: number, nowMs: number): void =>
  start(lessor, id, ttlSeconds, nowMs + ttlSeconds * 1000)

export function revoked(lessor: Lessor, id: LeaseId): void {
  const { leases, visits } = lessor
  leases.delete(id)
  // Leases that are revoked long before their time must not pile up; halving makes this constant time on average.
  if (visits.size > 2 * leases.size + staleVisitsMin) visits.retain((visit) => leases.get(visit.id) === visit.lease)
}

/** Prolongs a lease to its full TTL. @returns that, or 0 if it is unknown, has expired or is being revoked. */
export function renew(lessor: Lessor, id: LeaseId, nowMs: number): number {
  const lease = lessor.leases.get(id)
  if (lease === undefined || lease.revoking || lease.expiresAtMs <= nowMs) return 0
  // After a promotion a lease may be good for longer than its TTL; a renewal never takes that away.
  lease.expiresAtMs = Math.max(lease.expiresAtMs, nowMs + lease.ttlSeconds * 1000)
  return lease.ttlSeconds
}

/** Whole seconds left, 0 once expired; null if the lease is unknown. */
export function remaining(lessor: Lessor, id: LeaseId, nowMs: number): number | null {
  const lease = lessor.leases.get(id)
  if (lease === undefined) return null
  return lease.revoking ? 0 : Math.max(0, Math.floor((lease.expiresAtMs - nowMs) / 1000))
}

/**
 * The leases to revoke now, those first that expired first, as many as the rate allows. From this call on they cannot be
 * renewed. A lease that is still there 3 s later comes again.
 */
export function due(lessor: Lessor, nowMs: number): LeaseId[] {
  refill(lessor, nowMs)
  const ids: LeaseId[] = []
  for (let visit = lessor.visits.peek(); visit !== undefined && visit.atMs <= nowMs; visit = lessor.visits.peek()) {
    const { id, lease } = visit
    if (lessor.leases.get(id) !== lease) {
      lessor.visits.pop()
    } else if (lease.expiresAtMs > nowMs) {
      lessor.visits.pop()
      lessor.visits.push({ atMs: lease.expiresAtMs, id, lease })
    } else {
      if (lessor.revokeBudget < 1) break
      lessor.revokeBudget--
      lessor.visits.pop()
      lease.revoking = true
      lessor.visits.push({ atMs: nowMs + revokeRetryMs, id, lease })
      ids.push(id)
    }
  }
  return ids
}

function start(lessor: Lessor, id: LeaseId, ttlSeconds: number, expiresAtMs: number): void {
  const lease = { ttlSeconds, expiresAtMs, revoking: false }
  lessor.leases.set(id, lease)
  lessor.visits.push({ atMs: expiresAtMs, id, lease })
}

function refill(lessor: Lessor, nowMs: number): void {
  const most = lessor.revokesPerSecond * burstSeconds
  const earned = ((nowMs - lessor.budgetAtMs) / 1000) * lessor.revokesPerSecond
  lessor.revokeBudget = Math.min(most, lessor.revokeBudget + earned)
  lessor.budgetAtMs = nowMs
}
