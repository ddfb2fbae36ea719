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
  /** When each lease's remaining time may be worth a checkpoint (`checkpoints.ts`); at most one visit for each lease. */
  readonly checkpoints: DueHeap<LeaseClock>
  /** How far the log may be wrong about a lease's remaining time; null: nothing is written down. */
  readonly checkpointMs: number | null
  readonly revokesPerSecond: number
  /** Expired leases that somebody waits for: revoked before all others. */
  readonly urgent: Set<LeaseId>
  /** Revocations asked for that have not come through. */
  revoking: number
  /** Revocations that may be asked for now; refilled with time. */
  revokeBudget: number
  budgetAtMs: number
}

export interface LeaseClock {
  readonly ttlSeconds: number
  expiresAtMs: number
  /** When its revocation was last asked for; null: not yet. */
  revokeAskedMs: number | null
  /** Seconds that a next leader would give it: the newest checkpoint in the log, or its TTL if there is none. */
  loggedSeconds: number
  /** Its checkpoint is being taken back: no other one meanwhile. */
  clearing: boolean
  /** Has a visit in `checkpoints`. */
  watched: boolean
}

/**
 * `renewed`: it lives for another TTL. `clear`: a checkpoint in the log says less, so that this must not be promised to
 * anybody before that one is taken back. `expired`: its end is not decided before its revocation is applied.
 */
export type Renewal =
  | { readonly kind: 'renewed'; readonly ttlSeconds: number; readonly clear: 'no' | 'needed' | 'underWay' }
  | { readonly kind: 'expired' }
  | { readonly kind: 'unknown' }

/** A revocation that was asked for and has not come through is asked for again after this long. */
const revokeRetryMs = 3000
/** Revocations that a quiet time saves up: half a second's worth. */
const burstSeconds = 0.5
/** From this many leases on, a new leader spreads their expiries. */
const pileUpLeases = 1000
const pileUpPerSecond = 750
/** Visits in one pass: leases that were granted together and renewed since come up together for nothing. */
const visitsMax = 5000
/** Visits of revoked leases that are not worth a clean-up. */
const staleVisitsMin = 64

export function createLessor(
  options: { readonly revokesPerSecond?: number; readonly checkpointMs?: number | null } = {},
): Lessor {
  const revokesPerSecond = options.revokesPerSecond ?? limits.leaseRevokesPerSecond
  return {
    leases: new Map(),
    visits: new DueHeap(),
    checkpoints: new DueHeap(),
    checkpointMs: options.checkpointMs ?? null,
    revokesPerSecond,
    urgent: new Set(),
    revoking: 0,
    revokeBudget: revokesPerSecond * burstSeconds,
    budgetAtMs: Number.NEGATIVE_INFINITY,
  }
}

/**
 * Leases that a new leader finds, some of them, after `demote`; `spread` comes after the last. Nobody knows how much time they had left,
 * so each starts again at its full TTL, or at what its checkpoint says, plus `extendMs` for the time that its holder needs
 * to find this leader.
 */
export function found(lessor: Lessor, nowMs: number, leases: readonly LeaseRecord[], extendMs: number): void {
  for (const record of leases) {
    // One that was granted since.
    if (lessor.leases.has(record.id)) continue
    enter(lessor, record, nowMs + (record.checkpointSeconds || record.ttlSeconds) * 1000 + extendMs)
  }
}

/** All leases are there: many are spread out (never shortened), so that they do not all expire in the same second. */
export function spread({ leases, visits }: Lessor): void {
  if (leases.size >= pileUpLeases) delay(leases)
  visits.clear()
  for (const [id, lease] of leases) visits.push({ atMs: lease.expiresAtMs, id, lease })
}

/** Each second's leases come one after the other, beginning when those of the second before are through. */
function delay(leases: ReadonlyMap<LeaseId, LeaseClock>): void {
  const spacingMs = 1000 / pileUpPerSecond
  const counts = new Map<number, number>()
  for (const lease of leases.values()) counts.set(secondOf(lease), (counts.get(secondOf(lease)) ?? 0) + 1)
  const next = new Map<number, number>()
  let freeMs = 0
  for (const second of [...counts.keys()].sort((a, b) => a - b)) {
    const firstMs = Math.max(second * 1000, freeMs)
    next.set(second, firstMs)
    freeMs = firstMs + counts.get(second)! * spacingMs
  }
  for (const lease of leases.values()) {
    const second = secondOf(lease)
    const atMs = next.get(second)!
    next.set(second, atMs + spacingMs)
    lease.expiresAtMs = Math.max(lease.expiresAtMs, atMs)
  }
}

const secondOf = (lease: LeaseClock): number => Math.floor(lease.expiresAtMs / 1000)

/** No longer leader: forgets all times. */
export function demote(lessor: Lessor): void {
  lessor.leases.clear()
  lessor.visits.clear()
  lessor.checkpoints.clear()
  lessor.urgent.clear()
  lessor.revoking = 0
}

export function granted(lessor: Lessor, id: LeaseId, ttlSeconds: number, nowMs: number): void {
  const lease = enter(lessor, { id, ttlSeconds, checkpointSeconds: 0 }, nowMs + ttlSeconds * 1000)
  lessor.visits.push({ atMs: lease.expiresAtMs, id, lease })
}

export function revoked(lessor: Lessor, id: LeaseId): void {
  const { leases, visits, checkpoints } = lessor
  const lease = leases.get(id)
  if (lease !== undefined && lease.revokeAskedMs !== null) lessor.revoking--
  leases.delete(id)
  // Leases that are revoked long before their time must not pile up; halving makes this constant time on average.
  for (const heap of [visits, checkpoints]) {
    if (heap.size > 2 * leases.size + staleVisitsMin) heap.retain((visit) => leases.get(visit.id) === visit.lease)
  }
}

/** Prolongs a lease to its full TTL, unless that has run out. */
export function renew(lessor: Lessor, id: LeaseId, nowMs: number): Renewal {
  const lease = lessor.leases.get(id)
  if (lease === undefined) return { kind: 'unknown' }
  if (lease.revokeAskedMs !== null) return { kind: 'expired' }
  if (lease.expiresAtMs <= nowMs) {
    lessor.urgent.add(id)
    return { kind: 'expired' }
  }
  // After a promotion a lease may be good for longer than its TTL; a renewal never takes that away.
  lease.expiresAtMs = Math.max(lease.expiresAtMs, nowMs + lease.ttlSeconds * 1000)
  const clear = lease.clearing ? 'underWay' : lease.loggedSeconds < lease.ttlSeconds ? 'needed' : 'no'
  return { kind: 'renewed', ttlSeconds: lease.ttlSeconds, clear }
}

/** Whole seconds left, 0 once expired; null if the lease is unknown. */
export function remaining(lessor: Lessor, id: LeaseId, nowMs: number): number | null {
  const lease = lessor.leases.get(id)
  if (lease === undefined) return null
  return lease.revokeAskedMs !== null ? 0 : Math.max(0, Math.floor((lease.expiresAtMs - nowMs) / 1000))
}

/**
 * The leases to revoke now: those that somebody waits for, then those that expired first, as many as the rate and those
 * under way allow. From this call on they cannot be renewed. A lease that is still there 3 s later comes again.
 */
export function due(lessor: Lessor, nowMs: number): LeaseId[] {
  refill(lessor, nowMs)
  const { leases, visits, urgent } = lessor
  const ids: LeaseId[] = []
  for (const id of urgent) {
    if (!mayRevoke(lessor)) break
    urgent.delete(id)
    const lease = leases.get(id)
    if (lease === undefined || lease.revokeAskedMs !== null || lease.expiresAtMs > nowMs) continue
    ask(lessor, lease, nowMs)
    ids.push(id)
  }
  for (let visit = visits.peek(), left = visitsMax; visit !== undefined && visit.atMs <= nowMs; visit = visits.peek()) {
    if (left-- === 0) break
    const { id, lease } = visit
    const isNew = lease.revokeAskedMs === null
    const dueMs = isNew ? lease.expiresAtMs : lease.revokeAskedMs! + revokeRetryMs
    if (leases.get(id) !== lease) {
      visits.pop()
    } else if (dueMs > nowMs) {
      visits.pop()
      visits.push({ atMs: dueMs, id, lease })
    } else {
      if (isNew && !mayRevoke(lessor)) break
      visits.pop()
      visits.push({ atMs: nowMs + revokeRetryMs, id, lease })
      ask(lessor, lease, nowMs)
      ids.push(id)
    }
  }
  return ids
}

const mayRevoke = (lessor: Lessor): boolean =>
  lessor.revokeBudget >= 1 && lessor.revoking < limits.leaseRevokesInFlightMax

function ask(lessor: Lessor, lease: LeaseClock, nowMs: number): void {
  if (lease.revokeAskedMs === null) {
    lessor.revokeBudget--
    lessor.revoking++
  }
  lease.revokeAskedMs = nowMs
}

function enter(lessor: Lessor, { id, ttlSeconds, checkpointSeconds }: LeaseRecord, expiresAtMs: number): LeaseClock {
  const { leases, checkpoints, checkpointMs } = lessor
  const loggedSeconds = checkpointSeconds || ttlSeconds
  const watched = checkpointMs !== null && ttlSeconds * 1000 > checkpointMs
  const lease = { ttlSeconds, expiresAtMs, revokeAskedMs: null, loggedSeconds, clearing: false, watched }
  leases.set(id, lease)
  if (watched) checkpoints.push({ atMs: expiresAtMs - loggedSeconds * 1000 + checkpointMs, id, lease })
  return lease
}

function refill(lessor: Lessor, nowMs: number): void {
  const most = lessor.revokesPerSecond * burstSeconds
  const earned = ((nowMs - lessor.budgetAtMs) / 1000) * lessor.revokesPerSecond
  lessor.revokeBudget = Math.min(most, lessor.revokeBudget + earned)
  lessor.budgetAtMs = nowMs
}
