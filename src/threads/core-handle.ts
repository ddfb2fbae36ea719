import type { CommittedBatch, Outcome } from '../apply/outcome.ts'
import type { Caller } from '../auth/caller.ts'
import type { Index, LeaseId, MemberId, Revision, Term } from '../base/ids.ts'
import type { LeaseTimes, MemberInfo, MemberStatus, WriteKind } from '../service/member.ts'

export type ProposeDone = (error: Error | null, outcome: Outcome | null) => void

/**
 * All that the serving side needs of the core, in callbacks. `LocalMember` wraps one in the same thread, `CoreBridge`
 * offers one to serving threads. Every `done` comes exactly once and never from within the call that asked; refusals
 * are EtcdErrors.
 */
export interface CoreHandle {
  readonly info: MemberInfo
  propose(kind: WriteKind, request: Uint8Array, done: ProposeDone, caller: Caller): void
  /** Answers with the index that the visible state must have reached. */
  readBarrier(done: (error: Error | null, index: Index) => void): void
  renewLease(id: LeaseId, done: (error: Error | null, ttlSeconds: number) => void): void
  leaseTimes(id: LeaseId, done: (error: Error | null, times: LeaseTimes | null) => void): void
  /** Rows of `lease/expiry-list.ts`. */
  leaseExpiries(done: (error: Error | null, rows: Uint8Array | null) => void): void
  status(): MemberStatus
  term(): Term
  leader(): MemberId
  /** Index of the newest state that readers see. */
  appliedIndex(): Index
  /** Revision of the newest state that readers see. */
  revision(): Revision
  /** Each commit once, in order, after it became visible to readers. Returns how to unsubscribe. */
  onCommitted(listener: (batch: CommittedBatch) => void): () => void
  /** Leader or term changed. Returns how to unsubscribe. */
  onLeader(listener: (leader: MemberId, term: Term) => void): () => void
}
