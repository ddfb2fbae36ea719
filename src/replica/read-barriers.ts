import type { Index } from '../base/ids.ts'
import { EtcdError } from '../errors.ts'
import type { ReadState } from '../raft/types.ts'

export type BarrierDone = (error: Error | null, index: Index) => void

interface Reader {
  readonly done: BarrierDone
  readonly deadlineMs: number
}

interface Round {
  readonly context: bigint
  readonly readers: Reader[]
  readonly sentMs: number
}

/**
 * Readers that need proof that this member has seen everything acknowledged before they asked. All that wait share one
 * ReadIndex round; a few rounds overlap. A round without an answer is asked again under a new context, never the old
 * one, so that a late answer to a lost question cannot pass for the new one.
 */
export class ReadBarriers {
  static readonly #roundsMax = 4
  readonly #timeoutMs: number
  readonly #retryMs: number
  readonly #rounds = new Map<bigint, Round>()
  #waiting: Reader[] = []
  #nextContext: bigint
  /** Rounds that were asked again because no answer came. */
  slowRounds = 0
  /** Readers that got no answer in time. */
  failed = 0

  constructor(firstContext: bigint, timeoutMs: number, retryMs: number) {
    this.#nextContext = firstContext === 0n ? 1n : firstContext
    this.#timeoutMs = timeoutMs
    this.#retryMs = retryMs
  }

  add(nowMs: number, done: BarrierDone): void {
    this.#waiting.push({ done, deadlineMs: nowMs + this.#timeoutMs })
  }

  /** Puts all that wait into one new round. @returns its context, or null if nobody waits or enough rounds are out. */
  nextRound(nowMs: number): bigint | null {
    if (this.#waiting.length === 0 || this.#rounds.size >= ReadBarriers.#roundsMax) return null
    const context = this.#nextContext
    this.#nextContext = BigInt.asUintN(64, context + 1n) || 1n
    this.#rounds.set(context, { context, readers: this.#waiting, sentMs: nowMs })
    this.#waiting = []
    return context
  }

  /** The round could not be asked: there is no leader. */
  putBack(context: bigint): void {
    const round = this.#rounds.get(context)
    if (!round) return
    this.#rounds.delete(context)
    this.#waiting = round.readers.concat(this.#waiting)
  }

  answer(states: readonly ReadState[]): void {
    for (const { context, index } of states) {
      const round = this.#rounds.get(context)
      if (!round) continue
      this.#rounds.delete(context)
      for (const reader of round.readers) reader.done(null, index)
    }
  }

  /** The leader changed: what was asked of the old one will not be answered. */
  retryAll(): void {
    for (const round of [...this.#rounds.values()].reverse()) this.putBack(round.context)
  }

  expire(nowMs: number): void {
    for (const round of [...this.#rounds.values()]) {
      if (round.sentMs + this.#retryMs > nowMs) continue
      this.slowRounds++
      this.putBack(round.context)
    }
    if (!this.#waiting.some((reader) => reader.deadlineMs <= nowMs)) return
    const late = this.#waiting.filter((reader) => reader.deadlineMs <= nowMs)
    this.#waiting = this.#waiting.filter((reader) => reader.deadlineMs > nowMs)
    this.failed += late.length
    for (const reader of late) reader.done(new EtcdError('timeout'), 0)
  }

  failAll(error: Error): void {
    const readers = [...this.#rounds.values()].flatMap((round) => round.readers).concat(this.#waiting)
    this.#rounds.clear()
    this.#waiting = []
    for (const reader of readers) reader.done(error, 0)
  }
}
