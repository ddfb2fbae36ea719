import type { CommittedBatch, Outcome } from '../apply/outcome.ts'
import { anonymous, type Caller } from '../auth/caller.ts'
import { assert } from '../base/assert.ts'
import type { Index, LeaseId, MemberId, Revision, Term } from '../base/ids.ts'
import { EtcdError } from '../errors.ts'
import { getRevision } from '../mvcc/meta.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { HeldView, LeaseTimes, Member, MemberInfo, MemberStatus, WriteKind } from '../service/member.ts'
import { BarrierGate } from './barrier-gate.ts'
import { type CoreRecords, readCoreRecords } from './core-records.ts'
import { LoneWrite } from './lone-write.ts'
import { RecordWriter } from './record-writer.ts'
import { type ThreadRecords, writeThreadRecords } from './thread-records.ts'
import { WriteVisibility } from './write-visibility.ts'

/** The state on disk, read by this thread. */
export interface StateReader {
  /** Runs `work` on one consistent state, at least as new as at the last `refresh`. */
  read<T>(work: (view: ReadView) => T): T
  /** As `read`, for as long as it is held. */
  hold(): HeldView
  /** What is committed now is seen by the next `read`. */
  refresh(): void
  /** Waits until no view is held. */
  close(): Promise<void>
}

/** What a thread knows of the core before the first message. */
export interface CoreSnapshot {
  readonly leader: MemberId
  readonly term: Term
  readonly appliedIndex: Index
  readonly revision: Revision
  readonly path: string
}

export type TakeUntil = (isOver: () => boolean, waitMsMax: number) => void

export interface ThreadMemberPorts {
  /** Takes the buffer over. */
  post(message: ArrayBuffer): void
  openReader(path: string): StateReader
  /** Runs `callback` when the inputs of the current turn have been gathered. */
  soon(callback: () => void): void
  nowMs(): number
  /**
   * Takes messages from the core as they come, busily, until it is over or that time is. Absent: there is no processor to
   * spare for that.
   */
  readonly takeUntil?: TakeUntil
  /** A reader of a replaced state could not be closed. */
  closeFailed(error: unknown): void
}

interface Call {
  // biome-ignore lint/suspicious/noExplicitAny: the record kind decides what a call resolves with
  resolve(value: any): void
  reject(error: Error): void
}

/** Bytes of messages after which the core is told that they have been taken. */
const consumedBytesStep = 256 * 1024

/**
 * The member as services see it in a serving thread. Questions to the core are gathered per turn into one message;
 * reads go to the state on disk, which this thread has open itself.
 */
export class ThreadMember implements Member {
  readonly info: MemberInfo
  readonly #ports: ThreadMemberPorts
  readonly #writer = new RecordWriter()
  readonly #core: ThreadRecords
  readonly #gate: BarrierGate
  readonly #writes = new WriteVisibility()
  readonly #loneWrite = new LoneWrite()
  /** The write that is all that this thread waits for; null: there is none. */
  #alone: number | null = null
  #isAloneSent = false
  readonly #calls = new Map<number, Call>()
  readonly #committedListeners = new Set<(batch: CommittedBatch) => void>()
  readonly #rulesListeners = new Set<() => void>()
  readonly #leaderListeners = new Set<(leader: MemberId) => void>()
  readonly #records: CoreRecords
  #reader: StateReader
  /** All readers of replaced states so far have been closed. */
  #replacedClosed: Promise<void> = Promise.resolve()
  #stale = true
  #nextCall = 0
  #flushScheduled = false
  #consumedBytes = 0
  #leader: MemberId
  #term: Term
  #appliedIndex: Index
  #revision: Revision
  #closed = false

  constructor(info: MemberInfo, core: CoreSnapshot, ports: ThreadMemberPorts) {
    this.info = info
    this.#ports = ports
    this.#core = writeThreadRecords(this.#writer)
    this.#leader = core.leader
    this.#term = core.term
    this.#appliedIndex = core.appliedIndex
    this.#revision = core.revision
    this.#reader = ports.openReader(core.path)
    this.#gate = new BarrierGate(
      () => this.#scheduleFlush(),
      () => this.#appliedIndex,
    )
    this.#records = {
      outcome: (call, outcome) => {
        if (outcome.ok) this.#writes.answeredWith(outcome.revision)
        this.#settle(call)?.resolve(outcome)
      },
      failed: (call, error) => this.#settle(call)?.reject(error),
      barrier: (call, index) => this.#settle(call)?.resolve(index),
      leaseRenewed: (call, ttlSeconds) => this.#settle(call)?.resolve(ttlSeconds),
      leaseTimes: (call, times) => this.#settle(call)?.resolve(times),
      leaseExpiries: (call, rows) => this.#settle(call)?.resolve(rows),
      status: (call, status) => this.#settle(call)?.resolve(status),
      committed: (batch, withEvents) => this.#committed(batch, withEvents),
      leader: (leader, term) => this.#leaderChanged(leader, term),
      stateReplaced: (generation, path) => this.#stateReplaced(generation, path),
    }
  }

  /** One message from the core. */
  receive(message: ArrayBuffer): void {
    if (this.#closed) return
    this.#consumedBytes += message.byteLength
    if (this.#consumedBytes >= consumedBytesStep) {
      this.#core.consumed(this.#consumedBytes)
      this.#consumedBytes = 0
      this.#scheduleFlush()
    }
    readCoreRecords(message, this.#records)
  }

  propose(kind: WriteKind, request: Uint8Array, caller: Caller = anonymous): Promise<Outcome> {
    return this.#ask<Outcome>((call) => {
      if (this.#calls.size === 1) {
        this.#alone = call
        this.#isAloneSent = false
      }
      this.#core.propose(call, kind, request, caller)
    })
  }

  readBarrier(): Promise<void> {
    this.#loneWrite.disturb()
    return this.#closed ? Promise.reject(new EtcdError('stopped')) : this.#gate.wait()
  }

  read<T>(work: (view: ReadView) => T): T {
    if (this.#stale) {
      this.#reader.refresh()
      this.#stale = false
    }
    return this.#reader.read(work)
  }

  holdView(): HeldView {
    if (this.#closed) throw new EtcdError('stopped')
    if (this.#stale) {
      this.#reader.refresh()
      this.#stale = false
    }
    return this.#reader.hold()
  }

  renewLease(id: LeaseId): Promise<number> {
    return this.#ask<number>((call) => this.#core.renewLease(call, id))
  }

  leaseTimes(id: LeaseId): Promise<LeaseTimes> {
    return this.#ask<LeaseTimes>((call) => this.#core.leaseTimes(call, id))
  }

  leaseExpiries(): Promise<Uint8Array> {
    return this.#ask<Uint8Array>((call) => this.#core.leaseExpiries(call))
  }

  status(): Promise<MemberStatus> {
    return this.#ask<MemberStatus>((call) => this.#core.status(call))
  }

  term(): Term {
    return this.#term
  }

  leader(): MemberId {
    return this.#leader
  }

  /** The core tells this thread of commits only while it has a reason to know: else the state itself is asked. */
  revision(): Revision {
    this.#reader.refresh()
    this.#stale = false
    return Math.max(this.#revision, this.#reader.read(getRevision))
  }

  answeredRevision(): Revision {
    return this.#writes.answered
  }

  answeredVisible(): Promise<void> | null {
    this.#loneWrite.disturb()
    return this.#writes.wait(this.#revision)
  }

  /** Events come only while someone listens; until the core has heard of it, a batch may come as `replaced`. */
  onCommitted(listener: (batch: CommittedBatch) => void): () => void {
    if (this.#committedListeners.size === 0) this.#tellInterest(true)
    this.#committedListeners.add(listener)
    return () => {
      if (this.#committedListeners.delete(listener) && this.#committedListeners.size === 0) this.#tellInterest(false)
    }
  }

  onRulesChanged(listener: () => void): () => void {
    this.#rulesListeners.add(listener)
    return () => this.#rulesListeners.delete(listener)
  }

  onLeader(listener: (leader: MemberId) => void): () => void {
    this.#leaderListeners.add(listener)
    return () => this.#leaderListeners.delete(listener)
  }

  /** Refuses all that wait and closes the state. */
  close(): Promise<void> {
    if (this.#closed) return Promise.resolve()
    this.#closed = true
    this.#alone = null
    const stopped = new EtcdError('stopped')
    this.#gate.fail(stopped)
    this.#writes.fail(stopped)
    for (const call of this.#calls.values()) call.reject(stopped)
    this.#calls.clear()
    return this.#reader.close()
  }

  #ask<T>(write: (call: number) => void): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) {
        reject(new EtcdError('stopped'))
        return
      }
      write(this.#open({ resolve, reject }))
    })
  }

  #open(call: Call): number {
    const number = this.#nextCall
    // Answered within seconds: the numbers of 2^32 calls do not meet.
    this.#nextCall = (number + 1) >>> 0
    if (this.#alone !== null) this.#disturb()
    this.#calls.set(number, call)
    this.#scheduleFlush()
    return number
  }

  #settle(number: number): Call {
    const call = this.#calls.get(number)
    assert(call !== undefined, 'the core answers each question once')
    this.#calls.delete(number)
    if (number === this.#alone) {
      this.#alone = null
      this.#loneWrite.answered(this.#ports.nowMs())
    }
    return call
  }

  #tellInterest(wantsEvents: boolean): void {
    if (this.#closed) return
    this.#core.interest(wantsEvents)
    this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    this.#ports.soon(() => this.#flush())
  }

  #flush(): void {
    this.#flushScheduled = false
    if (this.#closed) return
    this.#gate.issue((done) => {
      const call = this.#nextCall
      this.#nextCall = (call + 1) >>> 0
      this.#calls.set(call, { resolve: (index: Index) => done(null, index), reject: (error) => done(error, 0) })
      this.#core.readBarrier(call)
    })
    if (!this.#writer.isEmpty) this.#ports.post(this.#writer.take())
    if (this.#alone !== null && this.#calls.size === 1 && !this.#isAloneSent) this.#awaitAlone(this.#alone)
  }

  #disturb(): void {
    this.#alone = null
    this.#loneWrite.disturb()
  }

  #awaitAlone(call: number): void {
    const { takeUntil, nowMs } = this.#ports
    this.#isAloneSent = true
    const waitMs = this.#loneWrite.sent(nowMs())
    if (waitMs > 0) takeUntil?.(() => this.#alone !== call, waitMs)
  }

  #committed(batch: CommittedBatch, withEvents: boolean): void {
    const moved = batch.revision > this.#revision
    this.#stale = true
    this.#appliedIndex = batch.appliedIndex
    this.#revision = batch.revision
    if (this.#committedListeners.size > 0) {
      // Listeners that came after the core wrote this batch have a gap here: as after a replacement, history fills it.
      const told = withEvents || !moved ? batch : { ...batch, replaced: true }
      for (const listener of this.#committedListeners) listener(told)
    }
    if (batch.replaced || batch.rulesChanged === true) for (const listener of this.#rulesListeners) listener()
    this.#gate.advance()
    this.#writes.advance(batch.revision)
  }

  #leaderChanged(leader: MemberId, term: Term): void {
    this.#leader = leader
    this.#term = term
    for (const listener of this.#leaderListeners) listener(leader)
  }

  #stateReplaced(generation: number, path: string): void {
    const old = this.#reader
    this.#reader = this.#ports.openReader(path)
    this.#stale = true
    const oldClosed = old.close().catch((error: unknown) => this.#ports.closeFailed(error))
    // In order: one generation's release stands for all before it.
    this.#replacedClosed = Promise.all([this.#replacedClosed, oldClosed]).then(() => {
      if (this.#closed) return
      this.#core.released(generation)
      this.#scheduleFlush()
    })
  }
}
