import type { CommittedBatch, Outcome } from '../apply/outcome.ts'
import { assert } from '../base/assert.ts'
import type { LeaseId, MemberId, Revision, Term } from '../base/ids.ts'
import { EtcdError } from '../errors.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { LeaseTimes, Member, MemberInfo, MemberStatus, WriteKind } from '../service/member.ts'
import { BarrierGate } from './barrier-gate.ts'
import type { CoreHandle } from './core-handle.ts'

/** The member as services see it when they run in the core's own thread. */
export class LocalMember implements Member {
  readonly info: MemberInfo
  readonly read: <T>(work: (view: ReadView) => T) => T
  readonly #core: CoreHandle
  readonly #gate: BarrierGate
  readonly #stopAdvancing: () => void

  /** @param read runs its argument on the newest visible state. */
  constructor(core: CoreHandle, read: <T>(work: (view: ReadView) => T) => T) {
    this.info = core.info
    this.read = read
    this.#core = core
    this.#gate = new BarrierGate(
      () => queueMicrotask(() => this.#gate.issue((done) => core.readBarrier(done))),
      () => core.appliedIndex(),
    )
    this.#stopAdvancing = core.onCommitted(() => this.#gate.advance())
  }

  propose(kind: WriteKind, request: Uint8Array): Promise<Outcome> {
    return new Promise((resolve, reject) => {
      this.#core.propose(kind, request, settle(resolve, reject))
    })
  }

  readBarrier(): Promise<void> {
    return this.#gate.wait()
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

  onCommitted(listener: (batch: CommittedBatch) => void): () => void {
    return this.#core.onCommitted(listener)
  }

  onLeader(listener: (leader: MemberId) => void): () => void {
    return this.#core.onLeader(listener)
  }

  close(): void {
    this.#stopAdvancing()
    this.#gate.fail(new EtcdError('stopped'))
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
