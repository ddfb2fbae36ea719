import { assert } from '../base/assert.ts'
import { type Index, type MemberId, noMember, type Term } from '../base/ids.ts'
import type { Random } from '../base/random.ts'
import { createLog, lastConfChange, nextConfChange, type RaftLog } from './log.ts'
import type { Progress } from './progress.ts'
import type { Ballot } from './quorum.ts'
import {
  type ConfState,
  type Entry,
  type EntryId,
  type HardState,
  type Message,
  MessageKind,
  type ReadState,
  type Role,
  type SnapshotMeta,
} from './types.ts'

export interface RaftOptions {
  readonly id: MemberId
  /** A follower that hears nothing campaigns after a random [electionTicks, 2 * electionTicks) ticks. */
  readonly electionTicks: number
  readonly heartbeatTicks: number
  readonly preVote: boolean
  /** For election timeouts only; seeded differently on each member. */
  readonly random: Random
  /** Bytes of entries in one append; a single larger entry still goes. */
  readonly messageBytesMax: number
  /** Appends on their way to one follower. */
  readonly inflightMax: number
  /** Bytes of entries that a leader holds uncommitted; a proposal that would exceed it is dropped. */
  readonly uncommittedBytesMax: number
  readonly hardState: HardState
  /** The configuration at `applied`. */
  readonly confState: ConfState
  /** The state machine holds everything up to here; at or after `log.start`. */
  readonly applied: Index
  /** What the disk holds. `start` is the entry before the first of `entries`. */
  readonly log: { readonly start: EntryId; readonly entries: readonly Entry[] }
}

/** Somebody who waits for a read barrier. Contexts are unique only together with the member they came from. */
export interface Read {
  readonly from: MemberId
  readonly context: bigint
}

/** Reads that share one round of heartbeats. */
export interface ReadRound {
  readonly id: number
  /** The commit index when the round began. */
  readonly index: Index
  readonly reads: readonly Read[]
}

/** One member's state. Only this folder's functions change it. */
export interface Raft {
  readonly options: RaftOptions
  readonly id: MemberId
  term: Term
  vote: MemberId
  role: Role
  leader: MemberId
  readonly log: RaftLog
  conf: ConfState
  /** Every configuration change up to here is in `conf`. */
  confApplied: Index
  /** Leader: the last configuration change in the log. Pending while after `confApplied`. */
  confProposed: Index

  /** Ticks since a leader was heard, a vote was given or a campaign began; leader: since the last check of the quorum. */
  electionElapsed: number
  heartbeatElapsed: number
  electionTimeoutTicks: number
  /** Candidates: the answers so far, with the own vote. */
  readonly votes: Map<MemberId, Ballot>

  /** Leader: everybody in `conf`, itself included, in the order of `conf`. */
  readonly progress: Map<MemberId, Progress>
  /** Leader: whom leadership is being handed to, else nobody. */
  transferee: MemberId
  uncommittedBytes: number
  /** Leader: something changed that appends may have to tell the followers. */
  appendsDue: boolean
  /** Leader: reads that are in no round yet. */
  readsWaiting: Read[]
  /** Leader: unconfirmed rounds, oldest first. */
  readRounds: ReadRound[]
  readRoundLast: number

  /** A received snapshot that is not installed yet; `taken` once a Ready has asked for it. */
  incoming: { readonly meta: SnapshotMeta; taken: boolean } | null
  /** What may be acknowledged, and in which term, once `incoming` is installed. */
  heldAck: EntryId

  /** Whether `term` is known to be on disk: until then nothing leaves before the next write. */
  termDurable: boolean
  messages: Message[]
  messagesAfterPersist: Message[]
  readStates: ReadState[]
  /** What the last Ready said of each. */
  handedHardState: HardState
  handedSoft: { readonly role: Role; readonly leader: MemberId; readonly term: Term }
}

/**
 * A member as it starts: a follower that knows of no leader.
 *
 * @throws InvariantError if log, applied index and configuration do not fit together.
 */
export function createRaft(options: RaftOptions): Raft {
  const { hardState, applied } = options
  assert(options.heartbeatTicks >= 1 && options.electionTicks > options.heartbeatTicks, 'ticks are out of order')
  assert(options.inflightMax >= 1, 'at least one append must be allowed in flight')
  const log = createLog(options.log.start, options.log.entries, hardState.commit, applied)
  // The disk may have lost the hard state of a torn last batch and kept entries of it. No vote can have left.
  const lostTerm = hardState.term < log.lastTerm
  const term = lostTerm ? log.lastTerm : hardState.term
  const vote = lostTerm ? noMember : hardState.vote
  const raft: Raft = {
    options,
    id: options.id,
    term,
    vote,
    role: 'follower',
    leader: noMember,
    log,
    conf: options.confState,
    confApplied: applied,
    confProposed: 0,
    electionElapsed: 0,
    heartbeatElapsed: 0,
    electionTimeoutTicks: 0,
    votes: new Map(),
    progress: new Map(),
    transferee: noMember,
    uncommittedBytes: 0,
    appendsDue: false,
    readsWaiting: [],
    readRounds: [],
    readRoundLast: 0,
    incoming: null,
    heldAck: { term: 0, index: 0 },
    termDurable: !lostTerm,
    messages: [],
    messagesAfterPersist: [],
    readStates: [],
    handedHardState: { term: hardState.term, vote: hardState.vote, commit: log.commit },
    handedSoft: { role: 'follower', leader: noMember, term: hardState.term },
  }
  drawElectionTimeout(raft)
  commitEarlierConfChanges(raft)
  return raft
}

export function drawElectionTimeout(raft: Raft): void {
  const { electionTicks, random } = raft.options
  raft.electionTimeoutTicks = electionTicks + random.below(electionTicks)
}

export const isVoter = (raft: Raft, member: MemberId): boolean => raft.conf.voters.includes(member)

export const isMember = (raft: Raft, member: MemberId): boolean =>
  raft.conf.voters.includes(member) || raft.conf.learners.includes(member)

export const isOnlyVoter = (raft: Raft): boolean => raft.conf.voters.length === 1 && raft.conf.voters[0] === raft.id

/**
 * Queues a message. Promises (votes and acknowledgements), and requests for votes, wait for the disk: they must not be
 * forgotten in a crash. So does everything while the term itself may be: a sole voter leads before its term is on disk.
 */
export function send(raft: Raft, message: Omit<Message, 'from'>): void {
  const queue = raft.termDurable && !isPromise(message.kind) ? raft.messages : raft.messagesAfterPersist
  queue.push({ ...message, from: raft.id })
}

function isPromise(kind: Message['kind']): boolean {
  switch (kind) {
    case MessageKind.Vote:
    case MessageKind.VoteResponse:
    case MessageKind.PreVoteResponse:
    case MessageKind.AppendResponse:
      return true
    default:
      return false
  }
}

/**
 * A leader appends a configuration change only when the one before it is committed and applied: so in any log every
 * change but the last is committed, whatever this member has heard. It matters after a restart that forgot the commit
 * index: a member two configurations behind could find a majority that does not meet the current ones.
 */
export function commitEarlierConfChanges(raft: Raft): void {
  const { log } = raft
  const last = lastConfChange(log, log.commit, log.lastIndex)
  if (last === null) return
  const earlier = lastConfChange(log, log.commit, last - 1)
  if (earlier !== null) log.commit = earlier
}

/** Whether a configuration change is committed and not yet applied: this member's idea of a majority is then too old. */
export const hasUnappliedConfChange = (raft: Raft): boolean =>
  nextConfChange(raft.log, raft.confApplied, raft.log.commit) !== null
