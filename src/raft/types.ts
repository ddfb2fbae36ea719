import type { Index, MemberId, Term } from '../base/ids.ts'

export type EntryType = 'normal' | 'confChange'

export interface Entry {
  readonly term: Term
  readonly index: Index
  readonly type: EntryType
  /** Empty for the no-op that a leader appends when its term begins. */
  readonly data: Uint8Array
}

export interface EntryId {
  readonly term: Term
  readonly index: Index
}

export interface Proposal {
  readonly type: EntryType
  readonly data: Uint8Array
}

/** What must survive a crash beside the log. */
export interface HardState {
  readonly term: Term
  readonly vote: MemberId
  readonly commit: Index
}

export interface ConfState {
  readonly voters: readonly MemberId[]
  readonly learners: readonly MemberId[]
}

/** One membership change; the only kinds raft knows. At most one may be appended and not applied (thesis 4.1). */
export type ConfChange =
  | { readonly kind: 'addVoter'; readonly member: MemberId }
  | { readonly kind: 'addLearner'; readonly member: MemberId }
  | { readonly kind: 'promote'; readonly member: MemberId }
  | { readonly kind: 'remove'; readonly member: MemberId }

export interface SnapshotMeta extends EntryId {
  readonly confState: ConfState
}

export type Role = 'follower' | 'preCandidate' | 'candidate' | 'leader'

/** Numbers are part of the peer protocol. Names as in etcd's raft. */
export const MessageKind = {
  Propose: 1,
  Append: 2,
  AppendResponse: 3,
  Vote: 4,
  VoteResponse: 5,
  PreVote: 6,
  PreVoteResponse: 7,
  Snapshot: 8,
  Heartbeat: 9,
  HeartbeatResponse: 10,
  ReadIndex: 11,
  ReadIndexResponse: 12,
  TimeoutNow: 13,
} as const
export type MessageKind = (typeof MessageKind)[keyof typeof MessageKind]

/** One message between members; fields that a kind does not use are absent. */
export interface Message {
  readonly kind: MessageKind
  readonly from: MemberId
  readonly to: MemberId
  readonly term: Term
  /**
   * Append: the entry before `entries`. Vote, PreVote: the candidate's last entry. AppendResponse: see `rejectHint`.
   * VoteResponse, PreVoteResponse: `index` is the voter's last entry, `logTerm` the term at its `commit`.
   * ReadIndexResponse: `index` is the barrier.
   * Heartbeat: `logTerm` is the term of the entry at `commit`, 0 if the leader has compacted it.
   */
  readonly logTerm?: Term
  readonly index?: Index
  readonly commit?: Index
  readonly entries?: readonly Entry[]
  readonly reject?: boolean
  /** AppendResponse, rejected: an index at or below which the follower's log may match (`logTerm`: its term there). */
  readonly rejectHint?: Index
  /** Heartbeat, ReadIndex and their responses: names the read batch; 0 is none. */
  readonly context?: bigint
  readonly snapshot?: SnapshotMeta
  readonly proposals?: readonly Proposal[]
  /** Vote: sent at the leader's wish (TimeoutNow), so the lease check of the receiver does not apply. */
  readonly campaignTransfer?: boolean
}

/** Everything that can happen to a member. Anything else is not raft's business. */
export type Input =
  | { readonly kind: 'tick' }
  | { readonly kind: 'receive'; readonly message: Message }
  | { readonly kind: 'propose'; readonly proposals: readonly Proposal[] }
  /** Asks for a read barrier; answered by a ReadState with the same context, or never (the asker retries). */
  | { readonly kind: 'readIndex'; readonly context: bigint }
  | { readonly kind: 'transferLeader'; readonly to: MemberId }
  /**
   * Entries up to `last` and all hard states handed out before are on disk. `last` is one of an entry that was handed
   * out; writes that brought none need not be reported.
   */
  | { readonly kind: 'persisted'; readonly last: EntryId }
  | { readonly kind: 'applied'; readonly index: Index }
  /** A committed configuration change has been applied; `change` null: it was refused, only the pending mark goes. */
  | { readonly kind: 'confChangeApplied'; readonly change: ConfChange | null }
  /** The snapshot that a Ready asked to install is in place and durable. */
  | { readonly kind: 'snapshotInstalled'; readonly snapshot: SnapshotMeta }
  /** What became of the snapshot sent to `to`. */
  | { readonly kind: 'snapshotReport'; readonly to: MemberId; readonly ok: boolean }
  /** The transport could not deliver to `to`: probe before streaming again. */
  | { readonly kind: 'unreachable'; readonly to: MemberId }
  /** Entries up to `index` (applied) may leave memory. */
  | { readonly kind: 'compactLog'; readonly index: Index }

export interface ReadState {
  readonly context: bigint
  /** State at or after this index is fresh enough for the readers of this batch. */
  readonly index: Index
}

/**
 * Effects, in the order in which the driver must respect them: `messages` at once; `hardState` and `entries` to disk,
 * then `persisted`, and only then `messagesAfterPersist`; `committed` to the state machine (always already persisted here).
 */
export interface Ready {
  /** If only `commit` moved, it need not be written by itself: it is a hint that saves work after a restart. */
  readonly hardState: HardState | null
  readonly entries: readonly Entry[]
  readonly messages: readonly Message[]
  readonly messagesAfterPersist: readonly Message[]
  readonly committed: readonly Entry[]
  readonly readStates: readonly ReadState[]
  /** Install this received snapshot before anything else of this or a later Ready is persisted or applied. */
  readonly snapshot: SnapshotMeta | null
  /** Set when role, leader or term changed. */
  readonly soft: { readonly role: Role; readonly leader: MemberId; readonly term: Term } | null
}
