import type { Applied } from '../apply/apply.ts'
import type { Outcome } from '../apply/outcome.ts'
import type { MemberId, Term } from '../base/ids.ts'
import { EtcdError, type EtcdErrorReason } from '../errors.ts'
import type { Proposal } from '../raft/types.ts'

export type OutcomeDone = (error: Error | null, outcome: Outcome | null) => void

/** A write that waits for its verdict. */
export interface PendingProposal extends Proposal {
  readonly done: OutcomeDone
  readonly deadlineMs: number
  /** In which raft took it; null: not yet, or it is no longer known what became of it. */
  sentTerm: Term | null
}

/**
 * Writes that were handed in here and wait for their verdict. A write that times out may still take effect: it is
 * forgotten, not withdrawn. One that was lost with its leader is sent to the next one, once that is sure.
 */
export class Proposals {
  readonly #self: MemberId
  readonly #timeoutMs: number
  readonly #reasonOf: (startMs: number) => EtcdErrorReason
  /** In order of deadline, because every proposal gets the same time and a Map keeps insertion order. */
  readonly #waiters = new Map<bigint, PendingProposal>()
  #unsent: PendingProposal[] = []
  #unsentBytes = 0
  #nextId: bigint
  /** Of the newest entry that was applied in this life. */
  #appliedTerm: Term = 0
  /** Got no verdict in time. */
  #failed = 0

  /**
   * @param firstId differs at each start of the process, so that an old entry never answers a new waiter.
   * @param reasonOf why a write that was proposed at that time has got no answer.
   */
  constructor(self: MemberId, firstId: bigint, timeoutMs: number, reasonOf: (startMs: number) => EtcdErrorReason) {
    this.#self = self
    this.#nextId = firstId
    this.#timeoutMs = timeoutMs
    this.#reasonOf = reasonOf
  }

  get pending(): number {
    return this.#waiters.size
  }

  get failed(): number {
    return this.#failed
  }

  get unsentBytes(): number {
    return this.#unsentBytes
  }

  readonly wants = (id: bigint, proposer: MemberId): boolean => proposer === this.#self && this.#waiters.has(id)

  /** @param encode makes the log entry's data for the id that it is given. */
  add(type: Proposal['type'], encode: (id: bigint) => Uint8Array, nowMs: number, done: OutcomeDone): void {
    const id = this.#nextId
    this.#nextId = BigInt.asUintN(64, id + 1n)
    const proposal = { type, data: encode(id), done, deadlineMs: nowMs + this.#timeoutMs, sentTerm: null }
    this.#waiters.set(id, proposal)
    this.#unsent.push(proposal)
    this.#unsentBytes += proposal.data.length
  }

  takeUnsent(): readonly PendingProposal[] {
    const unsent = this.#unsent
    this.#unsent = []
    this.#unsentBytes = 0
    return unsent
  }

  /** There was nobody to give them to: they wait for a leader, in front of newer ones. */
  putBack(proposals: readonly PendingProposal[]): void {
    this.#unsent = [...proposals, ...this.#unsent]
    for (const { data } of proposals) this.#unsentBytes += data.length
  }

  /** Raft took them in `term`: they are in the log of its leader, on their way there, or lost. */
  sent(proposals: readonly PendingProposal[], term: Term): void {
    for (const proposal of proposals) proposal.sentTerm = term
  }

  /**
   * An entry of `term` was applied, and everything before it. What raft took in an earlier term and is still without a
   * verdict is in no log that counts, and no leader takes it any more: it is sent again, and has its effect once.
   */
  sendLostAgain(term: Term): void {
    if (term <= this.#appliedTerm) return
    this.#appliedTerm = term
    const lost: PendingProposal[] = []
    for (const proposal of this.#waiters.values()) {
      if (proposal.sentTerm === null || proposal.sentTerm >= term) continue
      proposal.sentTerm = null
      lost.push(proposal)
    }
    if (lost.length > 0) this.putBack(lost)
  }

  /** Another state took the place of entries that were never seen here: what was sent may be in it, or not. */
  forgetSent(): void {
    for (const proposal of this.#waiters.values()) proposal.sentTerm = null
  }

  settle(applied: readonly Applied[]): void {
    for (const { proposal, outcome } of applied) {
      if (!proposal || !outcome || proposal.proposer !== this.#self) continue
      const waiter = this.#waiters.get(proposal.id)
      if (!waiter) continue
      this.#waiters.delete(proposal.id)
      waiter.done(null, outcome)
    }
  }

  expire(nowMs: number): void {
    const expired = new Set<PendingProposal>()
    for (const [id, waiter] of this.#waiters) {
      if (waiter.deadlineMs > nowMs) break
      this.#waiters.delete(id)
      expired.add(waiter)
      this.#failed++
      waiter.done(new EtcdError(this.#reasonOf(waiter.deadlineMs - this.#timeoutMs)), null)
    }
    // What has waited for a leader until nobody listens any more must not be written later, nor take up room.
    if (this.#waiters.size === 0) this.takeUnsent()
    else if (expired.size > 0 && this.#unsent.length > 0)
      this.putBack(this.takeUnsent().filter((proposal) => !expired.has(proposal)))
  }

  failAll(error: Error): void {
    this.takeUnsent()
    const waiters = [...this.#waiters.values()]
    this.#waiters.clear()
    for (const waiter of waiters) waiter.done(error, null)
  }
}
