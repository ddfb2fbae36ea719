import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'

export type Answer<T> = (error: Error | null, value: T | null) => void

export interface LeaderQuestionsOptions {
  nowMs(): number
  readonly timeoutMs: number
  leaderIsKnown(): boolean
  /** Whether there is a leader that would answer, here or elsewhere. */
  canAsk(): boolean
}

interface Question {
  readonly deadlineMs: number
  ask(): void
  fail(error: Error): void
}

/**
 * Clients' questions that only the leader can answer: each is asked again on later ticks while there is no leader, or
 * the answer is only that leadership is moving. In the end it fails with `noLeader` or `timeout`, as in etcd.
 */
export class LeaderQuestions {
  readonly #options: LeaderQuestionsOptions
  #waiting: Question[] = []
  /** Asked and not yet answered. */
  #open = 0
  #failed: Error | null = null

  constructor(options: LeaderQuestionsOptions) {
    this.#options = options
  }

  ask<T>(attempt: (answer: Answer<T>) => void, done: Answer<T>): void {
    const { nowMs, timeoutMs, canAsk } = this.#options
    if (this.#open >= limits.leaderQuestionsMax) return done(new EtcdError('tooManyRequests'), null)
    this.#open++
    const finish: Answer<T> = (error, value) => {
      this.#open--
      done(error && this.#nameTheReason(error), value)
    }
    const question: Question = {
      deadlineMs: nowMs() + timeoutMs,
      fail: (error) => finish(error, null),
      ask: () => {
        if (!canAsk()) return this.#wait(question)
        attempt((error, value) => {
          if (error && isMoving(error)) this.#wait(question)
          else finish(error, value)
        })
      },
    }
    question.ask()
  }

  tick(): void {
    const now = this.#options.nowMs()
    const late = this.#waiting.filter((question) => question.deadlineMs <= now)
    if (late.length > 0) {
      this.#waiting = this.#waiting.filter((question) => question.deadlineMs > now)
      for (const question of late) question.fail(new EtcdError('timeout'))
    }
    this.retry()
  }

  retry(): void {
    const questions = this.#waiting
    this.#waiting = []
    for (const question of questions) question.ask()
  }

  failAll(error: Error): void {
    this.#failed = error
    const questions = this.#waiting
    this.#waiting = []
    for (const question of questions) question.fail(error)
  }

  /** Also a leader's own barrier times out when it has lost its followers, and then its office. */
  #nameTheReason(error: Error): Error {
    const isLate = error instanceof EtcdError && error.reason === 'timeout'
    return isLate && !this.#options.leaderIsKnown() ? new EtcdError('noLeader', { cause: error }) : error
  }

  #wait(question: Question): void {
    if (this.#failed) question.fail(this.#failed)
    else this.#waiting.push(question)
  }
}

const isMoving = (error: Error): boolean =>
  error instanceof EtcdError && (error.reason === 'notLeader' || error.reason === 'leaderChanged')
