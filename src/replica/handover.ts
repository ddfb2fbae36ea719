import type { Term } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { type Message, MessageKind } from '../raft/types.ts'

/**
 * Other members' writes that reach a leader while it hands leadership over: raft takes none of them then. If there is a
 * next leader, they are sent to that one by who sent them here. If this member goes on leading nobody knows that they
 * were not taken, and their clients would wait until they time out: for that they are kept.
 */
export class Handover {
  /** After this nothing is kept any more. */
  #untilMs = Number.NEGATIVE_INFINITY
  #messages: readonly Message[] = []
  #bytes = 0

  begin(nowMs: number, electionTimeoutMs: number): void {
    // If the hand-over fails, this member takes writes again after one.
    this.#untilMs = nowMs + 2 * electionTimeoutMs
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0
  }

  /** @param message that raft has dropped, so that its proposals are in no log. */
  keep(message: Message, nowMs: number): void {
    if (nowMs > this.#untilMs || message.kind !== MessageKind.Propose) return
    const bytes = bytesOf(message)
    if (this.#bytes + bytes > limits.raftUncommittedBytesMax) return
    this.#bytes += bytes
    this.#messages = [...this.#messages, message]
  }

  /** @param term of this member. @param accept says no while leadership is still handed over. */
  retry(term: Term, accept: (message: Message) => boolean): void {
    this.#messages = this.#messages.filter((message) => message.term === term && !accept(message))
    this.#bytes = this.#messages.reduce((sum, message) => sum + bytesOf(message), 0)
  }

  expire(nowMs: number): void {
    if (nowMs <= this.#untilMs) return
    this.#messages = []
    this.#bytes = 0
  }
}

const bytesOf = ({ proposals = [] }: Message): number => proposals.reduce((sum, { data }) => sum + data.length, 0)
