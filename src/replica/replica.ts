import type { Applied } from '../apply/apply.ts'
import type { CommittedBatch } from '../apply/outcome.ts'
import { anonymous, type Caller, callerFields, memberCaller } from '../auth/caller.ts'
import { assert, InvariantError } from '../base/assert.ts'
import { formatId, type Index, type LeaseId, type MemberId, noMember, type Revision, type Term } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import { EtcdError, type EtcdErrorReason } from '../errors.ts'
import { getApplied, getConfState } from '../mvcc/meta.ts'
import { createRaft, hasReady, type Raft, type RaftStatus, raftStatus, step, takeReady } from '../raft/index.ts'
import {
  type Entry,
  type EntryId,
  type Input,
  type Message,
  MessageKind,
  type Ready,
  type SnapshotMeta,
} from '../raft/types.ts'
import type { LeaseTimes, MemberInfo, MemberStatus, WriteKind } from '../service/member.ts'
import type { CoreHandle } from '../threads/core-handle.ts'
import { encodeCommand } from '../wire/command.ts'
import { Command_Kind, ConfChange, type ConfChange_Type, MemberRecord } from '../wire/gen/internal.ts'
import { CompactionRequest } from '../wire/gen/rpc.ts'
import { ApplyStage, type CompactionPace } from './apply-stage.ts'
import { bestSuccessor } from './best-successor.ts'
import { AppliedCounts, type ReplicaCounts } from './counts.ts'
import { Handover } from './handover.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { LogWindow } from './log-window.ts'
import { PersistStage } from './persist-stage.ts'
import type {
  Clock,
  LogStore,
  PeerCallDone,
  PeerEvents,
  PeerMethod,
  Peers,
  RecoveredLog,
  SnapshotSink,
  StagedState,
  StateStore,
} from './ports.ts'
import { type OutcomeDone, Proposals } from './proposals.ts'
import { type BarrierDone, ReadBarriers } from './read-barriers.ts'
import { recover } from './recovery.ts'
import { Snapshots } from './snapshots.ts'
import { StateWaits } from './state-waits.ts'
import { submitInOrder } from './submit-in-order.ts'
import { timeoutReason } from './timeout-reason.ts'
import { WakingClock } from './waking-clock.ts'

export interface ReplicaOptions {
  readonly info: MemberInfo
  readonly electionTicks: number
  readonly preVote: boolean
  /** Seeds election timeouts and proposal ids; differs at each start of the process. */
  readonly seed: number
  readonly recovered: RecoveredLog
  /** Applied entries kept in memory for followers that lag. */
  readonly logKeepEntries?: number
  /** How far the log may be wrong about a lease's remaining time; null: it says nothing of it. */
  readonly leaseCheckpointMs?: number | null
  readonly compaction?: CompactionPace
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

const commandKinds: Record<WriteKind, Command_Kind> = {
  put: Command_Kind.PUT,
  deleteRange: Command_Kind.DELETE_RANGE,
  txn: Command_Kind.TXN,
  compact: Command_Kind.COMPACT,
  leaseGrant: Command_Kind.LEASE_GRANT,
  leaseRevoke: Command_Kind.LEASE_REVOKE,
  auth: Command_Kind.AUTH,
}

const requestTimeoutBaseMs = 5000
const readRetryMs = 500

/**
 * Drives one raft: gathers inputs, hands its effects to the pipeline of persist and apply, and gives proposers and
 * readers their answers. Knows the world through `ports.ts` only; single-threaded, and every input is handled in one
 * synchronous stretch.
 */
export class Replica implements PeerEvents, CoreHandle {
  readonly info: MemberInfo
  readonly #ports: ReplicaPorts
  readonly #clock: Clock
  readonly #report: Log
  readonly #raft: Raft
  readonly #persist: PersistStage
  readonly #apply: ApplyStage
  readonly #proposals: Proposals
  readonly #reads: ReadBarriers
  readonly #leases: LeaseKeeper
  readonly #snapshots: Snapshots
  readonly #window: LogWindow
  readonly #handover = new Handover()
  readonly #waits = new StateWaits()
  readonly #counts = new AppliedCounts()
  readonly #committedListeners = new Set<(batch: CommittedBatch) => void>()
  readonly #leaderListeners = new Set<(leader: MemberId, term: Term) => void>()
  #pumpScheduled = false
  #failed: Error | null = null
  #leader: MemberId = noMember
  #leaderChanges = 0
  #leasesExpired = 0
  /** When the newest leader appeared. */
  #electedMs: number | null = null
  #term: Term
  /** Index of the newest committed entry handed to apply. */
  #handedOut: Index
  /** Of the newest entry that was applied in this life. */
  #appliedTerm: Term = 0
  #installing = false
  /** Term in which this member leads but has not yet applied an entry of its own. */
  #electedTerm: Term | null = null

  constructor(options: ReplicaOptions, ports: ReplicaPorts) {
    const { info, recovered } = options
    this.info = info
    this.#ports = ports
    this.#clock = ports.clock
    this.#report = ports.report
    const random = seededRandom(options.seed)
    const { applied, confState } = ports.state.read((view) => ({
      applied: getApplied(view),
      confState: getConfState(view),
    }))
    const { log, hardState, mustReset } = recover(recovered, applied)
    this.#raft = createRaft({
      id: info.memberId,
      electionTicks: options.electionTicks,
      heartbeatTicks: 1,
      preVote: options.preVote,
      random,
      messageBytesMax: limits.raftMessageBytesMax,
      inflightMax: limits.raftInflightMax,
      uncommittedBytesMax: limits.raftUncommittedBytesMax,
      hardState,
      confState,
      applied: applied.index,
      log,
    })
    this.#term = hardState.term
    this.#handedOut = applied.index
    const timeoutMs = requestTimeoutBaseMs + 2 * info.electionTimeoutMs
    const firstId = (): bigint => (BigInt(random.below(0x7fffffff)) << 32n) | 1n
    this.#proposals = new Proposals(info.memberId, firstId(), timeoutMs, (startMs) => this.#timeoutReason(startMs))
    this.#reads = new ReadBarriers(firstId(), timeoutMs, readRetryMs)
    this.#persist = new PersistStage(ports.log, hardState, {
      persisted: (last) => this.#input({ kind: 'persisted', last }, 'now'),
      send: (messages) => this.#send(messages),
      failed: (error) => this.#fail(error),
    })
    this.#apply = new ApplyStage(
      ports.state,
      {
        wants: this.#proposals.wants,
        applied: (results) => this.#proposals.settle(results),
        committed: (batch, results, entries) => this.#committed(batch, results, entries),
        compacted: () => this.#waits.compacted(),
        after: (ms, callback) => this.#clock.after(ms, callback),
        failed: (error) => this.#fail(error),
      },
      options.compaction,
    )
    this.#snapshots = new Snapshots(ports, {
      reported: (to, ok) => this.#input({ kind: 'snapshotReport', to, ok }),
    })
    // The rest of what was recovered comes once it is committed.
    const known = log.entries.slice(0, applied.index - log.start.index)
    this.#window = new LogWindow(ports.state, ports.log, options.logKeepEntries ?? limits.logKeepEntries, known, {
      compactLog: (index) => this.#input({ kind: 'compactLog', index }),
      failed: (error) => this.#fail(error),
    })
    // Renewals that came while this member stood still are heard only now. Read at least at each tick.
    const leaseClock = new WakingClock(ports.clock, info.electionTimeoutMs)
    this.#leases = new LeaseKeeper(
      {
        nowMs: () => leaseClock.nowMs(),
        soon: (work) => this.#clock.soon(work),
        self: () => info.memberId,
        leader: () => this.#leader,
        read: (work) => ports.state.read(work),
        barrier: (done) => this.#barrierApplied(done),
        call: (to, method, request, done) => ports.peers.call(to, method, request, done),
        propose: (kind, request) => this.#proposeAsLeader(kind, request),
      },
      { extendMs: info.electionTimeoutMs, timeoutMs, checkpointMs: options.leaseCheckpointMs ?? null },
    )
    if (mustReset) this.#finishInstall(applied)
    this.#schedulePump()
  }

  // --- what the serving side asks -------------------------------------------------------------------------------

  propose(kind: WriteKind, request: Uint8Array, done: OutcomeDone, caller: Caller = anonymous): void {
    if (this.#refuse((error) => done(error, null))) return
    const answered = kind === 'compact' && CompactionRequest.decode(request).physical ? this.#whenCompacted(done) : done
    const encode = (id: bigint): Uint8Array => this.#command(commandKinds[kind], request, id, caller)
    this.#proposals.add('normal', encode, this.#clock.nowMs(), answered)
    this.#schedulePump()
  }

  /** Proposes one membership change; the outcome says whether it was accepted. */
  proposeConfChange(
    change: { readonly type: ConfChange_Type; readonly memberId: MemberId; readonly member?: MemberRecord },
    done: OutcomeDone,
  ): void {
    if (this.#refuse((error) => done(error, null))) return
    const encode = (id: bigint): Uint8Array =>
      ConfChange.encode({
        proposal_id: id,
        proposer_id: this.info.memberId,
        type: change.type,
        member_id: change.memberId,
        member: change.member,
      }).finish()
    this.#proposals.add('confChange', encode, this.#clock.nowMs(), done)
    this.#schedulePump()
  }

  /** Tells the cluster this member's name and client URLs. */
  publish(record: MemberRecord, done: OutcomeDone): void {
    if (this.#refuse((error) => done(error, null))) return
    const request = MemberRecord.encode(record).finish()
    const encode = (id: bigint): Uint8Array => this.#command(Command_Kind.PUBLISH_MEMBER, request, id, memberCaller)
    this.#proposals.add('normal', encode, this.#clock.nowMs(), done)
    this.#schedulePump()
  }

  readBarrier(done: BarrierDone): void {
    if (this.#failed) {
      this.#clock.soon(() => done(new EtcdError('stopped'), 0))
      return
    }
    this.#persist.disturb()
    this.#reads.add(this.#clock.nowMs(), done)
    this.#schedulePump()
  }

  renewLease(id: LeaseId, done: (error: Error | null, ttlSeconds: number) => void): void {
    this.#clock.soon(() => (this.#failed ? done(new EtcdError('stopped'), 0) : this.#leases.renew(id, done)))
  }

  leaseTimes(id: LeaseId, done: (error: Error | null, times: LeaseTimes | null) => void): void {
    this.#clock.soon(() => (this.#failed ? done(new EtcdError('stopped'), null) : this.#leases.times(id, done)))
  }

  leaseExpiries(done: (error: Error | null, rows: Uint8Array | null) => void): void {
    this.#clock.soon(() => (this.#failed ? done(new EtcdError('stopped'), null) : this.#leases.expiries(done)))
  }

  /**
   * Asks raft to hand leadership to `to`, or to the voter that has most of the log; `done` says whether this member
   * stopped leading within an election timeout.
   */
  transferLeadership(to: MemberId | null, done: (error: Error | null) => void): void {
    const target = to ?? bestSuccessor(raftStatus(this.#raft))
    if (this.#leader !== this.info.memberId) return this.#clock.soon(() => done(new EtcdError('notLeader')))
    if (target === null || this.#input({ kind: 'transferLeader', to: target }) === 'dropped') {
      return this.#clock.soon(() => done(new EtcdError('badLeaderTransferee')))
    }
    this.#handover.begin(this.#clock.nowMs(), this.info.electionTimeoutMs)
    const stopListening = this.onLeader((leader) => {
      if (leader === this.info.memberId || leader === noMember) return
      stopListening()
      late.cancel()
      done(null)
    })
    const late = this.#clock.after(this.info.electionTimeoutMs, () => {
      stopListening()
      done(new EtcdError('timeoutLeaderFailure'))
    })
  }

  status(): MemberStatus {
    const { commit, confState } = this.raftStatus()
    const { allocated, inUse } = this.#ports.state.size()
    return {
      leader: this.#leader,
      term: this.#term,
      committedIndex: commit,
      appliedIndex: this.#apply.appliedIndex,
      isLearner: confState.learners.includes(this.info.memberId),
      sizeAllocatedBytes: allocated,
      sizeInUseBytes: inUse,
    }
  }

  counts(): ReplicaCounts {
    const { puts, deletes, leasesGranted, leasesRevoked } = this.#counts
    return {
      leaderChanges: this.#leaderChanges,
      proposalsPending: this.#proposals.pending,
      proposalsFailed: this.#proposals.failed,
      slowReadRounds: this.#reads.slowRounds,
      readsFailed: this.#reads.failed,
      puts,
      deletes,
      leasesGranted,
      leasesRevoked,
      leasesExpired: this.#leasesExpired,
      installing: this.#installing,
    }
  }

  raftStatus(): RaftStatus {
    return raftStatus(this.#raft)
  }

  term(): Term {
    return this.#term
  }
  leader(): MemberId {
    return this.#leader
  }
  appliedIndex(): Index {
    return this.#apply.appliedIndex
  }
  revision(): Revision {
    return this.#apply.revision
  }

  onCommitted(listener: (batch: CommittedBatch) => void): () => void {
    this.#committedListeners.add(listener)
    return () => this.#committedListeners.delete(listener)
  }

  onLeader(listener: (leader: MemberId, term: Term) => void): () => void {
    this.#leaderListeners.add(listener)
    return () => this.#leaderListeners.delete(listener)
  }

  // --- what time and the other members bring ----------------------------------------------------------------------

  /** Once per heartbeat interval. */
  tick(): void {
    if (this.#failed) return
    const now = this.#clock.nowMs()
    this.#proposals.expire(now)
    this.#handover.expire(now)
    this.#reads.expire(now)
    this.#leases.tick()
    this.#window.tick(this.#apply.appliedIndex)
    this.#input({ kind: 'tick' })
  }

  receive(message: Message): void {
    if (this.#failed) return
    this.#persist.disturb()
    if (this.#input({ kind: 'receive', message }) === 'dropped') this.#handover.keep(message, this.#clock.nowMs())
  }

  acceptSnapshot(message: Message): SnapshotSink | null {
    if (this.#failed || this.#installing) return null
    return this.#snapshots.accept(message, this.raftStatus().commit)
  }

  receiveSnapshot(message: Message, staged: StagedState): void {
    if (this.#failed || this.#installing) return staged.discard()
    if (!this.#snapshots.received(message, staged)) return
    this.#input({ kind: 'receive', message }, 'now')
    // Still here after raft has spoken: it was not wanted.
    if (!this.#installing) this.#snapshots.discard()
  }

  unreachable(member: MemberId): void {
    if (!this.#failed) this.#input({ kind: 'unreachable', to: member })
  }

  answer(_from: MemberId, method: PeerMethod, request: Uint8Array, done: PeerCallDone): void {
    if (this.#failed) return done(new EtcdError('stopped'), null)
    this.#leases.answer(method, request, done)
  }

  /** No more inputs or answers; everybody who waits is told. `done` when storage is idle, for its owner to close. */
  stop(done: () => void = () => {}): void {
    this.#end(new EtcdError('stopped'))
    this.#persist.stop(() => this.#apply.stop(done))
  }

  // --- the Ready loop ---------------------------------------------------------------------------------------------

  /** `now`: the pipeline waits for it; else inputs of one turn are gathered. */
  #input(input: Input, when: 'now' | 'soon' = 'soon'): 'accepted' | 'dropped' {
    if (this.#failed) return 'dropped'
    try {
      const verdict = step(this.#raft, input)
      if (when === 'now') this.#pump()
      else this.#schedulePump()
      return verdict
    } catch (error) {
      this.#fail(error instanceof Error ? error : new InvariantError(String(error)))
      return 'dropped'
    }
  }

  #schedulePump(): void {
    if (this.#pumpScheduled) return
    this.#pumpScheduled = true
    this.#clock.soon(() => {
      this.#pumpScheduled = false
      try {
        this.#pump()
      } catch (error) {
        this.#fail(error instanceof Error ? error : new InvariantError(String(error)))
      }
    })
  }

  #pump(): void {
    if (this.#failed) return
    this.#submit()
    while (hasReady(this.#raft)) this.#handle(takeReady(this.#raft))
    if (this.#installing) return
    this.#persist.run()
    this.#apply.run()
  }

  /** Gives raft what has gathered since the last turn. */
  #submit(): void {
    if (!this.#handover.isEmpty) {
      const retry = (message: Message): boolean => step(this.#raft, { kind: 'receive', message }) === 'accepted'
      this.#handover.retry(this.#raft.term, retry)
    }
    const refused = submitInOrder(this.#proposals.takeUnsent(), (batch) => {
      if (step(this.#raft, { kind: 'propose', proposals: batch }) === 'dropped') return false
      this.#proposals.sent(batch, this.#raft.term)
      return true
    })
    if (refused.length > 0) this.#proposals.putBack(refused)
    const now = this.#clock.nowMs()
    for (let context = this.#reads.nextRound(now); context !== null; context = this.#reads.nextRound(now)) {
      if (step(this.#raft, { kind: 'readIndex', context }) === 'accepted') continue
      this.#reads.putBack(context)
      break
    }
  }

  #handle(ready: Ready): void {
    if (ready.soft) this.#leaderMoved(ready.soft)
    this.#send(ready.messages)
    if (ready.snapshot) this.#install(ready.snapshot)
    this.#persist.enqueue(ready)
    const last = ready.committed[ready.committed.length - 1]
    if (last) {
      this.#handedOut = last.index
      this.#apply.enqueue(ready.committed)
      this.#window.add(ready.committed)
    }
    if (ready.readStates.length > 0) this.#reads.answer(ready.readStates)
  }

  #send(messages: readonly Message[]): void {
    if (messages.length === 0) return
    if (!messages.some((message) => message.kind === MessageKind.Snapshot)) return this.#ports.peers.send(messages)
    const others: Message[] = []
    for (const message of messages) {
      if (message.kind === MessageKind.Snapshot) this.#snapshots.send(message)
      else others.push(message)
    }
    if (others.length > 0) this.#ports.peers.send(others)
  }

  #leaderMoved({ role, leader, term }: NonNullable<Ready['soft']>): void {
    const changed = leader !== this.#leader || term !== this.#term
    if (leader !== this.#leader) {
      this.#reads.retryAll()
      const fields = { member: formatId(this.info.memberId), leader: formatId(leader), term }
      if (leader === noMember) this.#report.info('lost leader', fields)
      else {
        this.#electedMs = this.#clock.nowMs()
        this.#leaderChanges++
        this.#report.info('raft leader elected', fields)
      }
    }
    if (role === 'leader') {
      if (this.#electedTerm !== term && !(this.#leases.inOffice && this.#term === term)) {
        this.#leases.leaveOffice()
        this.#electedTerm = term
      }
    } else {
      this.#electedTerm = null
      this.#leases.leaveOffice()
    }
    this.#leader = leader
    this.#term = term
    if (changed) for (const listener of [...this.#leaderListeners]) listener(leader, term)
    // What waited for a leader need not wait for the next tick.
    if (changed && leader !== noMember) this.#schedulePump()
  }

  #committed(batch: CommittedBatch, applied: readonly Applied[], entries: readonly Entry[]): void {
    const last = entries[entries.length - 1]
    assert(last, 'a commit of at least one entry')
    if (last.term > this.#appliedTerm) {
      this.#appliedTerm = last.term
      this.#proposals.sendLostAgain(last.term)
    }
    this.#input({ kind: 'applied', index: last.index })
    this.#counts.add(batch.events, applied)
    for (const one of applied) if (one.leaseChanges.length > 0) this.#leases.changed(one.leaseChanges)
    for (const entry of entries) {
      if (entry.type !== 'confChange') continue
      const accepted = applied.find((one) => one.index === entry.index)?.confChange ?? null
      this.#input({ kind: 'confChangeApplied', change: accepted })
      this.#ports.membersChanged?.()
    }
    if (this.#electedTerm !== null && last.term === this.#electedTerm) {
      this.#electedTerm = null
      this.#leases.takeOffice()
    }
    this.#published(batch)
  }

  #published(batch: CommittedBatch): void {
    for (const listener of [...this.#committedListeners]) listener(batch)
    this.#waits.applied(batch.appliedIndex)
  }

  /**
   * Replaces state and log by a received snapshot. State first: if the process dies between the two, the state's
   * applied position is beyond the log's end, and the next start finishes the install.
   */
  #install(meta: SnapshotMeta): void {
    const staged = this.#snapshots.take(meta)
    assert(staged, 'raft installs only a snapshot that has been received')
    this.#proposals.forgetSent()
    this.#installing = true
    this.#persist.suspend()
    this.#apply.pause(() => {
      staged.install((error) => {
        if (error) return this.#fail(error)
        if (this.#failed) return
        this.#persist.reset(meta, () => {
          this.#installing = false
          this.#handedOut = meta.index
          this.#window.reset(meta.index)
          this.#report.info('installed database snapshot', { index: meta.index, term: meta.term })
          const batch = this.#apply.resume()
          this.#input({ kind: 'snapshotInstalled', snapshot: meta })
          this.#ports.membersChanged?.()
          this.#published(batch)
          this.#schedulePump()
        })
      })
    })
  }

  /** The process died after the state was replaced and before the log was: what the log holds is void. */
  #finishInstall(applied: EntryId): void {
    this.#installing = true
    this.#persist.suspend()
    this.#persist.reset(applied, () => {
      this.#installing = false
      this.#schedulePump()
    })
  }

  // --- small parts --------------------------------------------------------------------------------------------------

  #command(kind: Command_Kind, request: Uint8Array, id: bigint, caller: Caller): Uint8Array {
    return encodeCommand(id, this.info.memberId, kind, request, callerFields(caller))
  }

  /** What the leader has to say by itself; nobody waits for its answer. Never forwarded to another leader. */
  #proposeAsLeader(kind: Command_Kind, request: Uint8Array): boolean {
    if (this.#leader !== this.info.memberId) return false
    const data = this.#command(kind, request, 0n, memberCaller)
    const isAccepted = this.#input({ kind: 'propose', proposals: [{ type: 'normal', data }] }) === 'accepted'
    if (isAccepted && kind === Command_Kind.LEASE_REVOKE) this.#leasesExpired++
    return isAccepted
  }

  /** Calls back when this state shows everything acknowledged before the call, and this member is part of a quorum. */
  #barrierApplied(done: (error: Error | null) => void): void {
    this.readBarrier((error, index) => {
      if (error) done(error)
      else if (this.#apply.appliedIndex >= index) done(null)
      else this.#waits.untilApplied(index, done)
    })
  }

  #whenCompacted(done: OutcomeDone): OutcomeDone {
    return (error, outcome) => {
      if (error || !outcome?.ok) done(error, outcome)
      else this.#waits.untilCompacted((failure) => done(failure, failure ? null : outcome))
    }
  }

  #timeoutReason(startMs: number): EtcdErrorReason {
    return timeoutReason(startMs, {
      self: this.info.memberId,
      voters: this.raftStatus().confState.voters,
      leader: this.#leader,
      electedMs: this.#electedMs,
      electionTimeoutMs: this.info.electionTimeoutMs,
      nowMs: this.#clock.nowMs(),
      connectedMs: (member) => this.#ports.peers.connectedMs(member),
    })
  }

  #refuse(done: (error: Error) => void): boolean {
    const backlog = this.#handedOut - this.#apply.appliedIndex > limits.unappliedEntriesMax
    const tooMuchUnsent = this.#proposals.unsentBytes > limits.raftUncommittedBytesMax
    if (!this.#failed && !backlog && !tooMuchUnsent) return false
    this.#clock.soon(() => done(new EtcdError(this.#failed ? 'stopped' : 'tooManyRequests')))
    return true
  }

  #fail(error: Error): void {
    if (this.#failed) return
    this.#end(error)
    this.#ports.failed(error)
  }

  #end(error: Error): void {
    if (this.#failed) return
    this.#failed = error
    this.#persist.stop()
    this.#apply.stop()
    const stopped = new EtcdError('stopped', { cause: error })
    this.#proposals.failAll(stopped)
    this.#reads.failAll(stopped)
    this.#leases.failAll(stopped)
    this.#waits.failAll(stopped)
  }
}
