import { bootstrapState } from '../../src/apply/bootstrap.ts'
import type { CommittedBatch } from '../../src/apply/outcome.ts'
import { type Index, type MemberId, memberId } from '../../src/base/ids.ts'
import { getApplied } from '../../src/mvcc/meta.ts'
import type { WriteView } from '../../src/mvcc/view.ts'
import { type ConfState, type Message, MessageKind } from '../../src/raft/types.ts'
import { proposeConfChange } from '../../src/replica/membership.ts'
import type { RecoveredLog } from '../../src/replica/ports.ts'
import type { ConfChange_Type, MemberRecord } from '../../src/wire/gen/internal.ts'
import { Answers } from './checkers/answers.ts'
import { LeasePromises } from './checkers/lease-promises.ts'
import { LogSafety } from './checkers/log-safety.ts'
import { ReferenceState } from './checkers/reference-state.ts'
import { Dice } from './dice.ts'
import { EventQueue } from './event-queue.ts'
import { LogDisk, type LogDiskWatcher } from './log-disk.ts'
import { MemberProcess, type MemberWatcher } from './member-process.ts'
import { Network } from './network.ts'
import type { Settings } from './settings.ts'
import { StateDisk } from './state-disk.ts'
import type { TableSet } from './table-set.ts'
import type { Trace } from './trace.ts'
import { requireProperty, Violation } from './violation.ts'

const recordOf = (id: MemberId, isLearner: boolean): MemberRecord => ({
  id,
  name: `m${id}`,
  peer_urls: [`https://m${id}:2380`],
  client_urls: [],
  is_learner: isLearner,
})

const kindNames = new Map<number, string>(Object.entries(MessageKind).map(([name, kind]) => [kind, name]))

function showMessage(message: Message): string {
  const { kind, to, from: _, entries, ...rest } = message
  const fields = Object.entries(rest).map(([name, value]) => `${name}=${value}`)
  if (entries?.length) fields.push(`entries=${entries.map(({ index, term }) => `${index}/${term}`).join(' ')}`)
  return `-> m${to} ${kindNames.get(kind)} ${fields.join(' ')}`
}

/** The members, what lies between them, and the checkers that watch them. */
export class Cluster implements MemberWatcher {
  readonly settings: Settings
  readonly queue = new EventQueue()
  readonly network: Network
  readonly trace: Trace
  readonly reference: ReferenceState
  readonly answers: Answers
  readonly promises: LeasePromises
  readonly #logSafety: LogSafety
  readonly #members = new Map<MemberId, MemberProcess>()
  readonly #revisions = new Map<MemberId, number>()
  /** How the members of a new cluster begin, and how one begins that joins: with nobody, until it gets a snapshot. */
  readonly #bootstrap: (view: WriteView) => void
  readonly #join: (view: WriteView) => void
  readonly #initial: ReadonlySet<MemberId>
  #lastId: bigint
  /** Found where it could not be thrown. */
  #found: Violation | null = null

  constructor(settings: Settings, trace: Trace) {
    this.settings = settings
    this.trace = trace
    this.network = new Network(this.queue, new Dice(settings.seed, 'network'), {
      delayMs: settings.networkDelayMs,
      lossRate: settings.lossRate,
      duplicateRate: settings.duplicateRate,
      reorders: settings.reorders,
      repeatsProposals: settings.sabotage === 'proposalsTwice',
      renewsProposals: settings.sabotage === 'proposalsOfAnyTerm',
    })
    const ids = Array.from({ length: settings.members }, (_, i) => memberId(BigInt(i + 1)))
    this.#lastId = BigInt(settings.members)
    const members = ids.map((id) => recordOf(id, false))
    const { clusterId } = settings.info
    this.#bootstrap = (view) => bootstrapState(view, { clusterId, members })
    this.#join = (view) => bootstrapState(view, { clusterId, members: [] })
    this.#initial = new Set(ids)
    this.promises = new LeasePromises(() => this.queue.nowMs, 1 + settings.clockDrift)
    this.reference = new ReferenceState(this.#bootstrap, (change) => this.promises.changed(change))
    this.answers = new Answers(this.reference)
    this.#logSafety = new LogSafety((entry) => {
      this.reference.apply(entry)
      this.#followMembership()
    })
    for (const id of ids) this.startMember(this.#create(id))
  }

  // --- members ------------------------------------------------------------------------------------------------------

  member(id: MemberId): MemberProcess | undefined {
    return this.#members.get(id)
  }
  allMembers(): MemberProcess[] {
    return [...this.#members.values()]
  }
  /** Those that are part of the cluster now. */
  activeMembers(): MemberProcess[] {
    return this.allMembers().filter((member) => !member.removed)
  }
  get confState(): ConfState {
    return this.reference.confState
  }

  /** Committed entries that the member does not show yet. */
  lag(member: MemberProcess): number {
    return this.#logSafety.committedIndex - getApplied(member.state.tables).index
  }

  newMemberId(): MemberId {
    this.#lastId++
    return memberId(this.#lastId)
  }

  startMember(member: MemberProcess): void {
    member.start()
  }

  /**
   * Starts over as the operator's flags say: "existing", or still "new" as at the first start. The latter is safe only
   * where a lone wiped member is no majority of the members that it was told of.
   */
  resetState(member: MemberProcess, asNew: boolean): void {
    const mayBeNew = this.#initial.has(member.id) && this.#initial.size > 2
    member.state.wipe()
    member.state.initialise(asNew && mayBeNew ? this.#bootstrap : this.#join)
  }

  proposeChange(via: MemberProcess, type: ConfChange_Type, id: MemberId): void {
    this.note(`propose membership change ${type} of m${id} on ${via.name}`)
    via.event((replica) =>
      proposeConfChange(replica, { type, memberId: id, member: recordOf(id, false) }, (error, outcome) => {
        if (!via.isDying) this.note(`membership change of m${id}: ${error?.message ?? JSON.stringify(outcome?.ok)}`)
      }),
    )
  }

  note(what: string): void {
    this.trace.line(this.queue.nowMs, '-', what)
  }

  #create(id: MemberId): MemberProcess {
    const { seed, diskDelayMs, stateDelayMs, clockDrift, sabotage } = this.settings
    const dice = new Dice(seed, `member ${id}`)
    const log = new LogDisk(new Dice(seed, `log ${id}`), {
      delayMs: diskDelayMs,
      failNext: false,
      liesAboutDurability: sabotage === 'logLies',
      forgetsVotes: sabotage === 'votesForgotten',
    })
    const state = new StateDisk(new Dice(seed, `state ${id}`), {
      delayMs: stateDelayMs,
      flushMs: [1, 500],
      failNext: false,
      rots: sabotage === 'bitRot' && id === 1n,
    })
    state.initialise(this.#initial.has(id) ? this.#bootstrap : this.#join)
    const rate = dice.between(1 - clockDrift, 1 + clockDrift)
    const { settings, queue, network, trace } = this
    const member = new MemberProcess(
      id,
      { log, state, dice, rate },
      {
        settings,
        queue,
        network,
        trace,
        watcher: this,
        directory: { at: (to, work) => this.#members.get(to)?.event(work) },
      },
    )
    this.#members.set(id, member)
    return member
  }

  /** Starts who has been added, and stops who has been removed after a while. */
  #followMembership(): void {
    const { voters, learners } = this.reference.confState
    for (const id of [...voters, ...learners]) {
      if (!this.#members.has(id)) this.queue.after(1, () => this.startMember(this.#members.get(id) ?? this.#create(id)))
    }
    for (const member of this.#members.values()) {
      if (member.removed || voters.includes(member.id) || learners.includes(member.id)) continue
      member.removed = true
      this.note(`${member.name} is removed`)
      this.queue.after(3000, () => this.#switchOff(member, this.reference.applied))
    }
  }

  /**
   * A removed member goes when a majority of the others knows of it: one that has committed its own removal may be the
   * only one who does, and then nobody can go on without it.
   */
  #switchOff(member: MemberProcess, removedAt: Index): void {
    const { voters } = this.reference.confState
    const knowing = voters.filter((id) => {
      const other = this.#members.get(id)
      return other !== undefined && other.state.readFlushed(getApplied).index >= removedAt
    })
    if (knowing.length <= voters.length / 2) {
      this.queue.after(1000, () => this.#switchOff(member, removedAt))
      return
    }
    member.resume()
    member.crash()
    member.switchedOff = true
  }

  /** False if some voter has never held an entry: to the others it looks like one that was wiped, and has no vote. */
  everyVoterCounts(): boolean {
    return this.confState.voters.every((id) => (this.#members.get(id)?.log.lastIndex ?? 0) > 0)
  }

  // --- what the checkers are told -------------------------------------------------------------------------------------

  started(member: MemberProcess, recovered: RecoveredLog): void {
    this.#revisions.delete(member.id)
    this.#logSafety.started(member.id, recovered)
  }

  logged(member: MemberProcess): LogDiskWatcher {
    return {
      appended: (batch) => {
        const first = batch.entries[0]
        if (first) member.trace(`log: append ${first.index}/${first.term} +${batch.entries.length - 1}`)
        else member.trace(`log: hard state ${batch.hardState?.term} for m${batch.hardState?.vote}`)
        this.#logSafety.appended(member.id, batch)
      },
      resetTo: (snapshot) => {
        member.trace(`log: reset to ${snapshot.index}/${snapshot.term}`)
        this.#logSafety.resetTo(member.id, snapshot)
      },
      released: (index) => {
        const flushed = member.state.readFlushed(getApplied).index
        requireProperty(index <= flushed, 'log contract', () => {
          return `${member.name} releases the log up to ${index}; its state is flushed up to ${flushed}`
        })
      },
    }
  }

  stateWritten(member: MemberProcess, before: Index, tables: TableSet): void {
    const { index } = getApplied(tables)
    if (member.replica && !member.isDying) this.#logSafety.applied(member.id, before, index, member.replica.term())
  }

  stateCommitted(member: MemberProcess, tables: TableSet): void {
    this.reference.checkTables(member.name, tables)
  }

  sent(member: MemberProcess, message: Message): void {
    this.trace.detail(this.queue.nowMs, member.name, () => showMessage(message))
    this.#logSafety.sent(member.id, message)
  }

  published(member: MemberProcess, batch: CommittedBatch): void {
    const before = this.#revisions.get(member.id)
    if (before !== undefined && !batch.replaced) this.reference.checkEvents(member.name, batch, before)
    requireProperty(before === undefined || batch.revision >= before, 'watch events', () => {
      return `${member.name} goes back from revision ${before} to ${batch.revision}`
    })
    this.#revisions.set(member.id, batch.revision)
  }

  observed(member: MemberProcess): void {
    const replica = member.replica
    if (replica) this.#logSafety.observed(member.id, replica.raftStatus())
    this.answers.check()
  }

  failed(member: MemberProcess, error: Error): void {
    member.trace(`failed: ${error.message}`)
    if (error instanceof Violation) this.#found ??= error
    else if (!member.mayFail) {
      this.#found ??= new Violation('members do not fail by themselves', `${member.name}: ${error.stack}`)
    }
  }

  settle(): void {
    if (this.#found) throw this.#found
  }
}
