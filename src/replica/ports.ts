/**
 * The whole outside world of a replica, on one page. Everything is callbacks, never promises, and nothing calls back
 * synchronously from within the call that asked (except where said): so the simulator can put every completion where
 * it likes, and the replica never runs inside itself.
 */
import type { Index, MemberId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { ReadView, WriteView } from '../mvcc/view.ts'
import type { Entry, EntryId, HardState, Message, SnapshotMeta } from '../raft/types.ts'

export type Done = (error?: Error) => void

/** What the WAL held when it was opened. `start` is the entry before the first of `entries`; {0,0} in a new log. */
export interface RecoveredLog {
  readonly hardState: HardState
  readonly start: EntryId
  readonly entries: readonly Entry[]
}

export interface LogBatch {
  readonly hardState: HardState | null
  /** Contiguous. The first may lie at or before the log's last entry: it and all after it are then replaced. */
  readonly entries: readonly Entry[]
  /** Little else was asked of this member since the batch before: it may stand still for the moment of a write. */
  readonly isOfFew?: boolean
}

/** The write-ahead log. One operation at a time: the next call comes after `done`. After an error no more calls come. */
export interface LogStore {
  /** `done` once everything is on stable storage (fdatasync). */
  append(batch: LogBatch, done: Done): void
  /** The log now begins after `snapshot`; all older and newer entries are void. */
  reset(snapshot: EntryId, hardState: HardState, done: Done): void
  /** Entries up to `index` are not needed after a restart; whole segments of them may be removed. Synchronous, may be lazy. */
  release(index: Index): void
}

/** The replicated state on disk. One transaction at a time: the next `transact` comes after `committed`. */
export interface StateStore {
  /**
   * Runs `work` once, later, inside one write transaction; then commits. `committed` is called when every reader
   * that starts from now on sees the result (which may be before it is on stable storage: the WAL covers that).
   * If `work` throws, nothing of it is kept and `committed` gets the error.
   */
  transact(work: (view: WriteView) => void, committed: Done): void
  /** Newest committed state. The view is valid only during `work`. */
  read<T>(work: (view: ReadView) => T): T
  /** Calls back when everything committed before this call is on stable storage. */
  flush(done: Done): void
  /** A consistent copy of the newest committed state, to be pulled while writes go on. */
  openSnapshot(): SnapshotSource
  /** Starts to build a replacement state beside the live one. */
  openSink(): SnapshotSink
  /** Bytes allocated on disk, and bytes of them in use. */
  size(): { readonly allocated: number; readonly inUse: number }
}

export interface SnapshotSource {
  /** Next chunk of at most about `limits.snapshotChunkBytes`, or null at the end. Synchronous. */
  next(): Uint8Array | null
  /** What state is being copied. */
  read<T>(work: (view: ReadView) => T): T
  close(): void
}

export interface SnapshotSink {
  /** One at a time, in order. A damaged chunk is an error. */
  write(chunk: Uint8Array, done: Done): void
  /** All chunks are there and the copy is complete and on stable storage. Fails if the end mark is missing. */
  finish(done: (error: Error | null, staged: StagedState | null) => void): void
  abort(): void
}

/** A complete received state, not yet the live one. */
export interface StagedState {
  /** Makes it the live state, atomically also across a crash; `done` once readers can see it. */
  install(done: Done): void
  discard(): void
}

/** The other members. */
export interface Peers {
  /** Best effort and in order for each receiver; drops when over limits. `Snapshot` messages do not come here. */
  send(messages: readonly Message[]): void
  /**
   * Streams a snapshot: `message` (kind Snapshot, with meta) and then all of `source`, which it closes. `done` once the
   * receiver has taken it in full, or failed.
   */
  sendSnapshot(message: Message, source: SnapshotSource, done: Done): void
  /** Asks another member (the leader) a question; fails with an EtcdError. */
  call(to: MemberId, method: PeerMethod, request: Uint8Array, done: PeerCallDone): void
  /** How long our connection to `member` has been up; null: it is down, or no such member. */
  connectedMs(member: MemberId): number | null
}

export type PeerMethod = 'leaseRenew' | 'leaseTimeToLive' | 'leaseExpiries'
export type PeerCallDone = (error: Error | null, response: Uint8Array | null) => void

/** What the peer transport, or the simulator's network, tells the replica. */
export interface PeerEvents {
  receive(message: Message): void
  /** A snapshot is offered: null refuses it, else chunks go into the sink, and after `finish` `receiveSnapshot` follows. */
  acceptSnapshot(message: Message): SnapshotSink | null
  receiveSnapshot(message: Message, staged: StagedState): void
  unreachable(member: MemberId): void
  answer(from: MemberId, method: PeerMethod, request: Uint8Array, done: PeerCallDone): void
}

/** Milliseconds on a monotonic clock, and one-shot timers on it. */
export interface Clock {
  nowMs(): number
  after(ms: number, callback: () => void): { cancel(): void }
  /** Runs `callback` when the current turn's inputs have been gathered (setImmediate). */
  soon(callback: () => void): void
}

export interface ReplicaPorts {
  readonly log: LogStore
  readonly state: StateStore
  readonly peers: Peers
  readonly clock: Clock
  readonly report: Log
  /** The member set in the state may have changed. */
  membersChanged?(): void
  /** The replica has stopped for good: storage failed, or an invariant is broken. */
  failed(error: Error): void
}

export type { SnapshotMeta }
