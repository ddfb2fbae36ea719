import { limits } from '../base/limits.ts'
import { type Message, MessageKind, type Proposal } from '../raft/types.ts'

/**
 * Other members' writes that reach a leader while it hands leadership over. Raft takes none of them then and tells nobody,
 * and their clients would wait until they time out: they are kept for the next leader instead.
 */
export class Handover {
  #untilMs = Number.NEGATIVE_INFINITY
  #proposals: Proposal[] = []
  #bytes = 0

  /** Also after the successor leads: who has not heard of it yet still sends its writes here. */
  begin(untilMs: number): void {
    this.#untilMs = untilMs
  }

  get isEmpty(): boolean {
    return this.#proposals.length === 0
  }

  /** @param message that raft has dropped, so that its proposals are in no log. */
  keep({ kind, proposals }: Message, nowMs: number): void {
    if (nowMs > this.#untilMs || kind !== MessageKind.Propose || proposals === undefined) return
    for (const proposal of proposals) {
      if (this.#bytes + proposal.data.length > limits.raftUncommittedBytesMax) return
      this.#bytes += proposal.data.length
      this.#proposals.push(proposal)
    }
  }

  take(): readonly Proposal[] {
    const proposals = this.#proposals
    this.#proposals = []
    this.#bytes = 0
    return proposals
  }
}
