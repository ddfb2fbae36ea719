import type { Index, MemberId } from '../base/ids.ts'
import { clearInflights, createInflights, type Inflights, isFull } from './inflights.ts'

/**
 * - `probe`: where the logs agree is not known; one append at a time looks for it.
 * - `replicate`: appends are sent ahead of their acknowledgements, up to the in-flight window.
 * - `snapshot`: the follower needs entries that are gone; nothing is sent until the snapshot's fate is known.
 */
export type ProgressState = 'probe' | 'replicate' | 'snapshot'

/** What a leader knows of one member. */
export interface Progress {
  readonly id: MemberId
  /** Highest entry known to be durable there and equal to ours. */
  match: Index
  /** First entry of the next append. */
  next: Index
  state: ProgressState
  /** In state `probe`: an append is on its way, wait for its answer or the next heartbeat's. */
  probeSent: boolean
  /** In state `snapshot`: the state that is being sent is at least this new. */
  pendingSnapshot: Index
  /** It refused to begin with the first entry: it has no state at all to apply entries to. */
  needsState: boolean
  /** The leader's ticks since it was heard from last; of the leader itself 0. */
  silentTicks: number
  /** Highest commit mark that an append has carried there. */
  commitSent: Index
  /** Highest read round that it has confirmed. */
  readAck: number
  readonly inflights: Inflights
}

export function createProgress(id: MemberId, next: Index, inflightMax: number): Progress {
  return {
    id,
    match: 0,
    next,
    state: 'probe',
    probeSent: false,
    pendingSnapshot: 0,
    needsState: false,
    silentTicks: 0,
    commitSent: 0,
    readAck: 0,
    inflights: createInflights(inflightMax),
  }
}

/** Heard from within about an election timeout. */
export function isActive({ silentTicks }: Progress, electionTicks: number): boolean {
  return silentTicks <= electionTicks
}

export function isPaused(progress: Progress): boolean {
  switch (progress.state) {
    case 'probe':
      return progress.probeSent
    case 'replicate':
      return isFull(progress.inflights)
    case 'snapshot':
      return true
  }
}

function enter(progress: Progress, state: ProgressState, next: Index): void {
  progress.state = state
  progress.next = next
  progress.probeSent = false
  progress.pendingSnapshot = 0
  progress.needsState = false
  clearInflights(progress.inflights)
}

export function becomeProbe(progress: Progress): void {
  enter(progress, 'probe', Math.max(progress.match, progress.pendingSnapshot) + 1)
  progress.commitSent = 0
}

export const becomeReplicate = (progress: Progress): void => enter(progress, 'replicate', progress.match + 1)

export function becomeSnapshot(progress: Progress, index: Index): void {
  enter(progress, 'snapshot', progress.next)
  progress.pendingSnapshot = index
}

/** The follower has `index`. Returns whether that is news. */
export function acknowledge(progress: Progress, index: Index): boolean {
  progress.next = Math.max(progress.next, index + 1)
  if (index <= progress.match) return false
  progress.match = index
  progress.probeSent = false
  return true
}

/**
 * The follower refused an append after `rejected`; the logs may agree at `hint`. Returns false for old news.
 *
 * A hint below `match` says that the follower lost what it had acknowledged (its disk was wiped), or that the answer is
 * an old one that was held up. A probe right after `match` tells which: only if that one is refused too is `match` lowered.
 */
export function reject(progress: Progress, rejected: Index, hint: Index): boolean {
  switch (progress.state) {
    case 'snapshot':
      return false
    case 'replicate':
      if (rejected <= progress.match && hint >= progress.match) return false
      becomeProbe(progress)
      return true
    case 'probe':
      if (rejected !== progress.next - 1) return false
      progress.needsState = rejected === 0
      progress.next = Math.max(1, Math.min(rejected, hint + 1))
      progress.match = Math.min(progress.match, progress.next - 1)
      progress.probeSent = false
      progress.commitSent = 0
      return true
  }
}
