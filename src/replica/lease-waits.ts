import type { LeaseId } from '../base/ids.ts'
import { EtcdError } from '../errors.ts'
import type { Answer } from './leader-questions.ts'

interface Wait {
  readonly deadlineMs: number
  readonly done: Answer<number>
}

interface Waiting extends Wait {
  /** What to answer once the lease's checkpoint has been taken back; null: waits for its revocation only. */
  readonly ttlSeconds: number | null
}

/** The leader's renewals that are answered only when something about their lease has been applied. */
export class LeaseWaits {
  readonly #waiting = new Map<LeaseId, Waiting[]>()

  /** The lease has expired, and lives until its revocation is applied. */
  untilRevoked(id: LeaseId, wait: Wait): void {
    this.#add(id, { ...wait, ttlSeconds: null })
  }

  /** The lease is renewed, but the log does not say so yet. */
  untilCleared(id: LeaseId, wait: Wait, ttlSeconds: number): void {
    this.#add(id, { ...wait, ttlSeconds })
  }

  revoked(id: LeaseId): void {
    this.#settle(id, () => 0)
  }

  cleared(id: LeaseId): void {
    this.#settle(id, (one) => one.ttlSeconds)
  }

  expire(nowMs: number): void {
    for (const [id, all] of [...this.#waiting]) {
      const late = all.filter((one) => one.deadlineMs <= nowMs)
      if (late.length === 0) continue
      this.#keep(
        id,
        all.filter((one) => one.deadlineMs > nowMs),
      )
      for (const { done } of late) done(new EtcdError('timeout'), null)
    }
  }

  failAll(error: Error): void {
    const all = [...this.#waiting.values()].flat()
    this.#waiting.clear()
    for (const { done } of all) done(error, null)
  }

  #add(id: LeaseId, one: Waiting): void {
    const all = this.#waiting.get(id)
    if (all === undefined) this.#waiting.set(id, [one])
    else all.push(one)
  }

  /** @param answerOf null: goes on waiting. */
  #settle(id: LeaseId, answerOf: (one: Waiting) => number | null): void {
    const all = this.#waiting.get(id)
    if (all === undefined) return
    this.#keep(
      id,
      all.filter((one) => answerOf(one) === null),
    )
    for (const one of all) {
      const ttlSeconds = answerOf(one)
      if (ttlSeconds !== null) one.done(null, ttlSeconds)
    }
  }

  #keep(id: LeaseId, kept: Waiting[]): void {
    if (kept.length === 0) this.#waiting.delete(id)
    else this.#waiting.set(id, kept)
  }
}
