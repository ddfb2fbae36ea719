import type { Applied } from '../apply/apply.ts'
import type { Outcome } from '../apply/outcome.ts'
import type { MemberId } from '../base/ids.ts'
import { EtcdError, type EtcdErrorReason } from '../errors.ts'
import type { Proposal } from '../raft/types.ts'

export type OutcomeDone = (error: Error | null, outcome: Outcome | null) => void

interface Waiter {
  readonly done: OutcomeDone
  readonly deadlineMs: number
  readonly proposal: Proposal
}

/**
 * Writes that were handed in here and wait for their verdict. A write that times out may still take effect: it is
 * forgotten, not withdrawn.
 */
export class Proposals {
  readonly #self: MemberId
  readonly #timeoutMs: number
  readonly #reasonOf: (startMs: number) => EtcdErrorReason
  /** In order of deadline, because every proposal gets the same time and a Map keeps insertion order. */
  readonly #waiters = new Map<bigint, Waiter>()
  #unsent: Proposal[] = []
  #unsentBytes = 0
  #nextId: bigint
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
    const proposal = { type, data: encode(id) }
    this.#waiters.set(id, { done, deadlineMs: nowMs + this.#timeoutMs, proposal })
    this.#unsent.push(proposal)
    this.#unsentBytes += proposal.data.length
  }

  takeUnsent(): readonly Proposal[] {
    const unsent = this.#unsent
    this.#unsent = []
    this.#unsentBytes = 0
    return unsent
  }

  /** There was nobody to give them to: they wait for a leader, in front of newer ones. */
  putBack(proposals: readonly Proposal[]): void {
    this.#unsent = [...proposals, ...this.#unsent]
    for (const { data } of proposals) this.#unsentBytes += data.length
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
    const expired = new Set<Proposal>()
    for (const [id, waiter] of this.#waiters) {
      if (waiter.deadlineMs > nowMs) break
      this.#waiters.delete(id)
      expired.add(waiter.proposal)
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
