/**
 * The seam between serving and the core: all that a service needs of its member. Two implementations, in-process and
 * across threads (`threads/`); the proxy brings a third.
 */
import type { CommittedBatch, Outcome } from '../apply/outcome.ts'
import type { Caller } from '../auth/caller.ts'
import type { ClusterId, Index, LeaseId, MemberId, Revision, Term } from '../base/ids.ts'
import type { ReadView } from '../mvcc/view.ts'

/** Write kinds, numbered as `leasehold.Command.Kind`. */
export type WriteKind = 'put' | 'deleteRange' | 'txn' | 'compact' | 'leaseGrant' | 'leaseRevoke' | 'auth'

/** Fixed for the life of a member. */
export interface MemberInfo {
  readonly clusterId: ClusterId
  readonly memberId: MemberId
  /** The etcd version that Status reports, such as 3.5.30. */
  readonly version: string
  readonly maxTxnOps: number
  readonly maxRequestBytes: number
  readonly electionTimeoutMs: number
  /** Lower bound that grants are raised to, in seconds. */
  readonly leaseTtlSecondsMin: number
  readonly watchProgressIntervalMs: number
  /** How long a token lives after it was used. */
  readonly authTokenTtlSeconds: number
}

export interface MemberStatus {
  readonly leader: MemberId
  readonly term: Term
  readonly committedIndex: Index
  readonly appliedIndex: Index
  readonly isLearner: boolean
  readonly sizeAllocatedBytes: number
  readonly sizeInUseBytes: number
}

export interface LeaseTimes {
  /** Seconds left; -1 if there is no such lease. */
  readonly ttlSeconds: number
  readonly grantedTtlSeconds: number
}

/** One state, which stays as it is; the store cannot use the space of what is replaced meanwhile again. */
export interface HeldView {
  readonly view: ReadView
  /** Repeatable. The view, and all that is being read from it, must not be used any more. */
  close(): void
}

export interface Member {
  readonly info: MemberInfo
  /**
   * Replicates a write and gives its verdict. `request` is the encoded client request of that kind, already validated; of
   * `auth`, an AuthChange. What `caller` may is judged once more where it is applied.
   * Rejects with EtcdError: timeouts, tooManyRequests, stopped. A rejected write may still take effect.
   */
  propose(kind: WriteKind, request: Uint8Array, caller?: Caller): Promise<Outcome>
  /** Resolves when `read` sees every write that was acknowledged anywhere before this call. Rejects with EtcdError. */
  readBarrier(): Promise<void>
  /** Runs `work` synchronously on the newest visible state. */
  read<T>(work: (view: ReadView) => T): T
  /** Holds the newest visible state for a read that takes several turns of the event loop. Throws EtcdError stopped. */
  holdView(): HeldView
  /** Prolongs a lease on the leader. Seconds granted, 0 if there is no such lease (any more). */
  renewLease(id: LeaseId): Promise<number>
  leaseTimes(id: LeaseId): Promise<LeaseTimes>
  /** All leases and when they expire, from the leader: rows of `lease/expiry-list.ts`. */
  leaseExpiries(): Promise<Uint8Array>
  status(): Promise<MemberStatus>
  /** Last known; for response headers and require-leader checks without a round trip. 0n while there is no leader. */
  term(): Term
  leader(): MemberId
  /** Revision of the newest visible state. */
  revision(): Revision
  /** Highest revision that a write was answered with here; for a moment it is ahead of `revision()`. */
  answeredRevision(): Revision
  /** Null if `read` sees every write that was answered here; else resolves when it does. Rejects with EtcdError. */
  answeredVisible(): Promise<void> | null
  /** Each commit once, in order, after it became visible to `read`. Returns how to unsubscribe. */
  onCommitted(listener: (batch: CommittedBatch) => void): () => void
  /** Who may do what, or which tokens are good, may be another than before; visible to `read`. Returns how to unsubscribe. */
  onRulesChanged(listener: () => void): () => void
  /** The leader changed, or there is none now (0n). Returns how to unsubscribe. */
  onLeader(listener: (leader: MemberId) => void): () => void
}
