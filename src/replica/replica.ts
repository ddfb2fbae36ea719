import type { Applied } from '../apply/apply.ts'
import type { CommittedBatch } from '../apply/outcome.ts'
import { anonymous, type Caller, memberCaller } from '../auth/caller.ts'
import { assert, InvariantError } from '../base/assert.ts'
import { type Index, type LeaseId, type MemberId, noMember, type Revision, type Term } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { seededRandom } from '../base/random.ts'
import { EtcdError } from '../errors.ts'
import { hasReady, type Raft, type RaftStatus, raftStatus, step, takeReady } from '../raft/index.ts'
import { type Entry, type Input, type Message, MessageKind, type Proposal, type Ready } from '../raft/types.ts'
import type { LeaseTimes, MemberInfo, MemberStatus, WriteKind } from '../service/member.ts'
import type { CoreHandle } from '../threads/core-handle.ts'
import type { Command_Kind } from '../wire/gen/internal.ts'
import { CompactionRequest } from '../wire/gen/rpc.ts'
import { ApplyStage } from './apply-stage.ts'
import { bestSuccessor } from './best-successor.ts'
import { AppliedCounts, type ReplicaCounts } from './counts.ts'
import { Handover } from './handover.ts'
import { LeaderChanges, type LeaderListener } from './leader-changes.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import { LogWindow } from './log-window.ts'
import { PersistStage } from './persist-stage.ts'
import type { Clock, PeerCallDone, PeerEvents, PeerMethod, ReplicaPorts, SnapshotSink, StagedState } from './ports.ts'
import { commandData, commandKinds } from './proposal-data.ts'
import { type OutcomeDone, Proposals } from './proposals.ts'
import { type BarrierDone, ReadBarriers } from './read-barriers.ts'
import type { ReplicaOptions } from './replica-options.ts'
import { SnapshotInstall } from './snapshot-install.ts'
import { Snapshots } from './snapshots.ts'
import { startRaft } from './start-raft.ts'
import { StateWaits } from './state-waits.ts'
import { submitInOrder } from './submit-in-order.ts'
import { WakingClock } from './waking-clock.ts'

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
  readonly #raft: Raft
  readonly #persist: PersistStage
  readonly #apply: ApplyStage
  readonly #proposals: Proposals
  readonly #reads: ReadBarriers
  readonly #leases: LeaseKeeper
  readonly #snapshots: Snapshots
  readonly #install: SnapshotInstall
  readonly #window: LogWindow
  readonly #leaderChanges: LeaderChanges
  readonly #handover = new Handover()
  readonly #waits = new StateWaits()
  readonly #counts = new AppliedCounts()
  readonly #committedListeners = new Set<(batch: CommittedBatch) => void>()
  #pumpScheduled = false
  #failed: Error | null = null
  #leader: MemberId = noMember
  #term: Term
  /** Index of the newest committed entry handed to apply. */
  #handedOut: Index

  constructor(options: ReplicaOptions, ports: ReplicaPorts) {
    const { info } = options
    this.info = info
    this.#ports = ports
    this.#clock = ports.clock
    const random = seededRandom(options.seed)
    const { raft, hardState, known, applied, mustReset } = startRaft(options, ports.state, random)
    this.#raft = raft
    this.#term = hardState.term
    this.#handedOut = applied.index
    this.#leaderChanges = new LeaderChanges(info, ports.clock, ports.report)
    const timeoutMs = requestTimeoutBaseMs + 2 * info.electionTimeoutMs
    const firstId = (): bigint => (BigInt(random.below(0x7fffffff)) << 32n) | 1n
    this.#proposals = new Proposals(info.memberId, firstId(), timeoutMs, (startMs) =>
      this.#leaderChanges.timeoutReason(startMs, raftStatus(raft).confState.voters, ports.peers),
    )
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
    this.#snapshots = new Snapshots(ports, { reported: (to, ok) => this.#input({ kind: 'snapshotReport', to, ok }) })
    this.#install = new SnapshotInstall(this.#persist, this.#apply, (error) => this.#fail(error))
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
    if (mustReset) this.#install.finish(applied, () => this.#schedulePump())
    this.#schedulePump()
  }

  // --- what the serving side asks -------------------------------------------------------------------------------

  propose(kind: WriteKind, request: Uint8Array, done: OutcomeDone, caller: Caller = anonymous): void {
    if (this.#refuse(done)) return
    const isPhysical = kind === 'compact' && CompactionRequest.decode(request).physical
    const encode = (id: bigint): Uint8Array => commandData(id, this.info.memberId, commandKinds[kind], request, caller)
    this.#proposals.add('normal', encode, this.#clock.nowMs(), isPhysical ? this.#waits.onceCompacted(done) : done)
    this.#schedulePump()
  }

  /** What no client asks for (`membership.ts`). @param encode makes the entry's data for the id that it is given. */
  proposeEntry(type: Proposal['type'], encode: (id: bigint) => Uint8Array, done: OutcomeDone): void {
    if (this.#refuse(done)) return
    this.#proposals.add(type, encode, this.#clock.nowMs(), done)
    this.#schedulePump()
  }

  readBarrier(done: BarrierDone): void {
    if (this.#failed) return this.#clock.soon(() => done(new EtcdError('stopped'), 0))
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
    this.#leaderChanges.untilAnotherLeads(done)
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
    return {
      leaderChanges: this.#leaderChanges.count,
      proposalsPending: this.#proposals.pending,
      proposalsFailed: this.#proposals.failed,
      slowReadRounds: this.#reads.slowRounds,
      readsFailed: this.#reads.failed,
      ...this.#counts,
      leasesExpired: this.#leases.expired,
      installing: this.#install.isRunning,
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

  onLeader(listener: LeaderListener): () => void {
    return this.#leaderChanges.listen(listener)
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
    if (this.#failed || this.#install.isRunning) return null
    return this.#snapshots.accept(message, this.raftStatus().commit)
  }

  receiveSnapshot(message: Message, staged: StagedState): void {
    if (this.#failed || this.#install.isRunning) return staged.discard()
    if (!this.#snapshots.received(message, staged)) return
    this.#input({ kind: 'receive', message }, 'now')
    // Still here after raft has spoken: it was not wanted.
    if (!this.#install.isRunning) this.#snapshots.discard()
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
    if (this.#install.isRunning) return
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
    if (ready.snapshot) this.#installSnapshot(ready.snapshot)
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
    if (messages.some((message) => message.kind === MessageKind.Snapshot)) this.#snapshots.sendWith(messages)
    else this.#ports.peers.send(messages)
  }

  #leaderMoved({ role, leader, term }: NonNullable<Ready['soft']>): void {
    const isOther = leader !== this.#leader
    const isChange = isOther || term !== this.#term
    if (isOther) this.#reads.retryAll()
    this.#leases.leads(role === 'leader' ? term : null)
    this.#leader = leader
    this.#term = term
    if (!isChange) return
    this.#leaderChanges.tell(leader, term)
    // What waited for a leader need not wait for the next tick.
    if (leader !== noMember) this.#schedulePump()
  }

  #committed(batch: CommittedBatch, applied: readonly Applied[], entries: readonly Entry[]): void {
    const last = entries[entries.length - 1]
    assert(last, 'a commit of at least one entry')
    this.#proposals.sendLostAgain(last.term)
    this.#input({ kind: 'applied', index: last.index })
    this.#counts.add(batch.events, applied)
    for (const one of applied) if (one.leaseChanges.length > 0) this.#leases.changed(one.leaseChanges)
    for (const entry of entries) {
      if (entry.type !== 'confChange') continue
      const accepted = applied.find((one) => one.index === entry.index)?.confChange ?? null
      this.#input({ kind: 'confChangeApplied', change: accepted })
      this.#ports.membersChanged?.()
    }
    this.#leases.applied(last.term)
    this.#published(batch)
  }

  #published(batch: CommittedBatch): void {
    for (const listener of [...this.#committedListeners]) listener(batch)
    this.#waits.applied(batch.appliedIndex)
  }

  #installSnapshot(meta: NonNullable<Ready['snapshot']>): void {
    const staged = this.#snapshots.take(meta)
    assert(staged, 'raft installs only a snapshot that has been received')
    this.#proposals.forgetSent()
    this.#install.run(meta, staged, (replaced) => {
      this.#handedOut = meta.index
      this.#window.reset(meta.index)
      this.#ports.report.info('installed database snapshot', { index: meta.index, term: meta.term })
      this.#input({ kind: 'snapshotInstalled', snapshot: meta })
      this.#ports.membersChanged?.()
      this.#published(replaced)
      this.#schedulePump()
    })
  }

  // --- small parts --------------------------------------------------------------------------------------------------

  /** What the leader has to say by itself; nobody waits for its answer. Never forwarded to another leader. */
  #proposeAsLeader(kind: Command_Kind, request: Uint8Array): boolean {
    if (this.#leader !== this.info.memberId) return false
    const data = commandData(0n, this.info.memberId, kind, request, memberCaller)
    return this.#input({ kind: 'propose', proposals: [{ type: 'normal', data }] }) === 'accepted'
  }

  /** Calls back when this state shows everything acknowledged before the call, and this member is part of a quorum. */
  #barrierApplied(done: (error: Error | null) => void): void {
    this.readBarrier((error, index) => {
      if (error) done(error)
      else if (this.#apply.appliedIndex >= index) done(null)
      else this.#waits.untilApplied(index, done)
    })
  }

  #refuse(done: OutcomeDone): boolean {
    const backlog = this.#handedOut - this.#apply.appliedIndex > limits.unappliedEntriesMax
    const tooMuchUnsent = this.#proposals.unsentBytes > limits.raftUncommittedBytesMax
    if (!this.#failed && !backlog && !tooMuchUnsent) return false
    this.#clock.soon(() => done(new EtcdError(this.#failed ? 'stopped' : 'tooManyRequests'), null))
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
    this.#install.stop()
    const stopped = new EtcdError('stopped', { cause: error })
    this.#proposals.failAll(stopped)
    this.#reads.failAll(stopped)
    this.#leases.failAll(stopped)
    this.#waits.failAll(stopped)
  }
}
