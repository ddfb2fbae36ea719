import type { CommittedBatch, Outcome } from '../apply/outcome.ts'
import { anonymous, type Caller } from '../auth/caller.ts'
import { assert } from '../base/assert.ts'
import type { LeaseId, MemberId, Revision, Term } from '../base/ids.ts'
import { EtcdError } from '../errors.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { HeldView, LeaseTimes, Member, MemberInfo, MemberStatus, WriteKind } from '../service/member.ts'
import { BarrierGate } from './barrier-gate.ts'
import type { CoreHandle, ProposeDone } from './core-handle.ts'
import { WriteVisibility } from './write-visibility.ts'

/** The newest visible state, read in the core's own thread. */
export interface LocalState {
  read<T>(work: (view: ReadView) => T): T
  /** As `read`, for as long as it is held. */
  hold(): HeldView
}

/** The member as services see it when they run in the core's own thread. */
export class LocalMember implements Member {
  readonly info: MemberInfo
  readonly #state: LocalState
  readonly #core: CoreHandle
  readonly #gate: BarrierGate
  readonly #writes = new WriteVisibility()
  readonly #stopAdvancing: () => void

  constructor(core: CoreHandle, state: LocalState) {
    this.info = core.info
    this.#state = state
    this.#core = core
    this.#gate = new BarrierGate(
      () => queueMicrotask(() => this.#gate.issue((done) => core.readBarrier(done))),
      () => core.appliedIndex(),
    )
    this.#stopAdvancing = core.onCommitted((batch) => {
      this.#gate.advance()
      this.#writes.advance(batch.revision)
    })
  }

  propose(kind: WriteKind, request: Uint8Array, caller: Caller = anonymous): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      const answer = settle(resolve, reject)
      const done: ProposeDone = (error, outcome) => {
        if (outcome?.ok) this.#writes.answeredWith(outcome.revision)
        answer(error, outcome)
      }
      this.#core.propose(kind, request, done, caller)
    })
  }

  readBarrier(): Promise<void> {
    return this.#gate.wait()
  }

  read<T>(work: (view: ReadView) => T): T {
    return this.#state.read(work)
  }

  holdView(): HeldView {
    return this.#state.hold()
  }

  renewLease(id: LeaseId): Promise<number> {
    return new Promise((resolve, reject) => {
      this.#core.renewLease(id, settle(resolve, reject))
    })
  }

  leaseTimes(id: LeaseId): Promise<LeaseTimes> {
    return new Promise((resolve, reject) => {
      this.#core.leaseTimes(id, settle(resolve, reject))
    })
  }

  leaseExpiries(): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      this.#core.leaseExpiries(settle(resolve, reject))
    })
  }

  async status(): Promise<MemberStatus> {
    return this.#core.status()
  }

  term(): Term {
    return this.#core.term()
  }

  leader(): MemberId {
    return this.#core.leader()
  }

  revision(): Revision {
    return this.#core.revision()
  }

  answeredRevision(): Revision {
    return this.#writes.answered
  }

  answeredVisible(): Promise<void> | null {
    return this.#writes.wait(this.#core.revision())
  }

  onCommitted(listener: (batch: CommittedBatch) => void): () => void {
    return this.#core.onCommitted(listener)
  }

  onRulesChanged(listener: () => void): () => void {
    return this.#core.onCommitted(({ replaced, rulesChanged = false }) => {
      if (replaced || rulesChanged) listener()
    })
  }

  onLeader(listener: (leader: MemberId) => void): () => void {
    return this.#core.onLeader(listener)
  }

  close(): void {
    this.#stopAdvancing()
    const stopped = new EtcdError('stopped')
    this.#gate.fail(stopped)
    this.#writes.fail(stopped)
  }
}

const settle =
  <T>(resolve: (value: T) => void, reject: (error: Error) => void) =>
  (error: Error | null, value: T | null): void => {
    if (error !== null) reject(error)
    else {
      assert(value !== null, 'the core answers with an error or a value')
      resolve(value)
    }
  }
