import type { Applied } from '../apply/apply.ts'
import type { Outcome } from '../apply/outcome.ts'
import type { MemberId } from '../base/ids.ts'
import { EtcdError } from '../errors.ts'
import type { Proposal } from '../raft/types.ts'

export type OutcomeDone = (error: Error | null, outcome: Outcome | null) => void

interface Waiter {
  readonly done: OutcomeDone
  readonly deadlineMs: number
  /** How often the leader had changed when this was proposed. */
  readonly leaderChanges: number
}

/**
 * Writes that were handed in here and wait for their verdict. A write that times out may still take effect: it is
 * forgotten, not withdrawn.
 */
export class Proposals {
  readonly #self: MemberId
  readonly #timeoutMs: number
  /** In order of deadline, because every proposal gets the same time and a Map keeps insertion order. */
  readonly #waiters = new Map<bigint, Waiter>()
  #unsent: Proposal[] = []
  #unsentBytes = 0
  #nextId: bigint
  #leaderChanges = 0

  /** @param firstId differs at each start of the process, so that an old entry never answers a new waiter. */
  constructor(self: MemberId, firstId: bigint, timeoutMs: number) {
    this.#self = self
    this.#nextId = firstId
    this.#timeoutMs = timeoutMs
  }

  get unsentBytes(): number {
    return this.#unsentBytes
  }

  readonly wants = (id: bigint, proposer: MemberId): boolean => proposer === this.#self && this.#waiters.has(id)

  /** @param encode makes the log entry's data for the id that it is given. */
  add(type: Proposal['type'], encode: (id: bigint) => Uint8Array, nowMs: number, done: OutcomeDone): void {
    const id = this.#nextId
    this.#nextId = BigInt.asUintN(64, id + 1n)
    this.#waiters.set(id, { done, deadlineMs: nowMs + this.#timeoutMs, leaderChanges: this.#leaderChanges })
    const data = encode(id)
    this.#unsent.push({ type, data })
    this.#unsentBytes += data.length
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

  leaderChanged(): void {
    this.#leaderChanges++
  }

  expire(nowMs: number): void {
    for (const [id, waiter] of this.#waiters) {
      if (waiter.deadlineMs > nowMs) break
      this.#waiters.delete(id)
      const leaderFailed = waiter.leaderChanges !== this.#leaderChanges
      waiter.done(new EtcdError(leaderFailed ? 'timeoutLeaderFailure' : 'timeout'), null)
    }
    // What has waited for a leader until nobody listens any more must not be written later.
    if (this.#waiters.size === 0) this.takeUnsent()
  }

  failAll(error: Error): void {
    this.takeUnsent()
    const waiters = [...this.#waiters.values()]
    this.#waiters.clear()
    for (const waiter of waiters) waiter.done(error, null)
  }
}
