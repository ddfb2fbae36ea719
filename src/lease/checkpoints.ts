import type { LeaseId } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import type { LeaseClock, Lessor } from './lessor.ts'

/**
 * Checkpoints write a lease's remaining time into the log, so that a next leader does not start it again at its full
 * TTL. What the log says is never less than what was promised: a checkpoint is as good as the lease was when it was made,
 * and a renewal after it is confirmed only when the log has taken the checkpoint back. A lease that is renewed more often
 * than the interval needs no checkpoints at all.
 *
 * @source etcd lease/lessor.go, which confirms such a renewal although its own checkpoint may still be on the way.
 */
export interface Checkpoint {
  readonly id: LeaseId
  /** Whole seconds, rounded up; 0 takes the checkpoint back. */
  readonly remainingSeconds: number
}

/** When to look again at a lease that is due and cannot be checkpointed now. */
const retryMs = 1000

/** The next checkpoints to propose, from now on what the log says of these leases. At most one batch. */
export function checkpointsDue(lessor: Lessor, nowMs: number): Checkpoint[] {
  const { leases, checkpoints, checkpointMs } = lessor
  const batch: Checkpoint[] = []
  if (checkpointMs === null) return batch
  for (let visit = checkpoints.peek(); visit !== undefined && visit.atMs <= nowMs; visit = checkpoints.peek()) {
    if (batch.length === limits.leaseCheckpointBatchMax) break
    const { id, lease } = visit
    checkpoints.pop()
    if (leases.get(id) !== lease) continue
    lease.watched = false
    const remainingSeconds = Math.ceil((lease.expiresAtMs - nowMs) / 1000)
    const isDue = !lease.clearing && remainingSeconds > 0 && wrongByMs(lease, nowMs) >= checkpointMs
    if (isDue && remainingSeconds < lease.loggedSeconds) {
      lease.loggedSeconds = remainingSeconds
      batch.push({ id, remainingSeconds })
    }
    watch(lessor, id, lease, nowMs)
  }
  return batch
}

/** The taking back of a lease's checkpoint has been proposed. */
export function clearing(lessor: Lessor, id: LeaseId, nowMs: number): void {
  const lease = lessor.leases.get(id)
  if (lease === undefined) return
  lease.clearing = true
  lease.loggedSeconds = lease.ttlSeconds
  watch(lessor, id, lease, nowMs)
}

/**
 * A checkpoint was applied.
 *
 * @returns whether it is to be taken back: it was meant for an earlier lease with this id.
 */
export function checkpointed(lessor: Lessor, { id, remainingSeconds }: Checkpoint): boolean {
  const lease = lessor.leases.get(id)
  if (lease === undefined) return false
  if (remainingSeconds === 0) {
    lease.clearing = false
    return false
  }
  if (lease.clearing || remainingSeconds === lease.loggedSeconds) return false
  lease.loggedSeconds = remainingSeconds
  return true
}

/** How much longer a next leader would let the lease live than this one. */
const wrongByMs = (lease: LeaseClock, nowMs: number): number => lease.loggedSeconds * 1000 - (lease.expiresAtMs - nowMs)

function watch({ checkpoints, checkpointMs }: Lessor, id: LeaseId, lease: LeaseClock, nowMs: number): void {
  // With less than an interval left in the log's eyes the lease expires before the log can be wrong by one.
  if (checkpointMs === null || lease.watched || lease.loggedSeconds * 1000 <= checkpointMs) return
  const atMs = lease.expiresAtMs - lease.loggedSeconds * 1000 + checkpointMs
  lease.watched = true
  checkpoints.push({ atMs: atMs > nowMs ? atMs : nowMs + retryMs, id, lease })
}
