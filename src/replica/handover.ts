import { limits } from '../base/limits.ts'
import { type Message, MessageKind, type Proposal } from '../raft/types.ts'
import { submitInOrder } from './submit-in-order.ts'

/**
 * Other members' writes that reach a leader while it hands leadership over. Raft takes none of them then and tells nobody,
 * and their clients would wait until they time out: they are kept for the next leader instead.
 */
export class Handover {
  /** After this nothing is kept any more. */
  #keepUntilMs = Number.NEGATIVE_INFINITY
  /** After this what was kept is forgotten. */
  #untilMs = Number.NEGATIVE_INFINITY
  #proposals: readonly Proposal[] = []
  #bytes = 0

  /** Also after the successor leads: who has not heard of it yet still sends its writes here. */
  begin(nowMs: number, electionTimeoutMs: number): void {
    this.#keepUntilMs = nowMs + electionTimeoutMs
    // If the hand-over fails there is an election.
    this.#untilMs = nowMs + 2 * electionTimeoutMs
  }

  get isEmpty(): boolean {
    return this.#proposals.length === 0
  }

  /** @param message that raft has dropped, so that its proposals are in no log. */
  keep({ kind, proposals }: Message, nowMs: number): void {
    if (nowMs > this.#keepUntilMs || kind !== MessageKind.Propose || proposals === undefined) return
    const kept = [...this.#proposals]
    for (const proposal of proposals) {
      if (this.#bytes + proposal.data.length > limits.raftUncommittedBytesMax) break
      this.#bytes += proposal.data.length
      kept.push(proposal)
    }
    this.#proposals = kept
  }

  /** @param accept says no while there is no next leader: the rest waits. */
  passOn(accept: (batch: readonly Proposal[]) => boolean): void {
    this.#proposals = submitInOrder(this.#proposals, accept)
    this.#bytes = this.#proposals.reduce((sum, { data }) => sum + data.length, 0)
  }

  expire(nowMs: number): void {
    if (nowMs <= this.#untilMs) return
    this.#proposals = []
    this.#bytes = 0
  }
}
