import { limits } from '../base/limits.ts'

interface Waiter {
  readonly resolve: (text: string) => void
  readonly reject: (error: Error) => void
}

/** What a serving thread is asked for and only the core's thread can tell: one question for all who ask meanwhile. */
export class ThreadMetrics {
  readonly #send: (id: number) => void
  #id = 0
  #waiting: Waiter[] = []
  #tooLate: NodeJS.Timeout | undefined

  /** @param send asks; `answered` is to be called with the same number. */
  constructor(send: (id: number) => void) {
    this.#send = send
  }

  /** Rejects if there is no answer within `limits.metricsMsMax`. */
  ask(): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#waiting.push({ resolve, reject }) > 1) return
      this.#send(++this.#id)
      this.#tooLate = setTimeout(() => this.answered(this.#id, null), limits.metricsMsMax).unref()
    })
  }

  /** @param text null: the metrics cannot be had. */
  answered(id: number, text: string | null): void {
    if (id !== this.#id) return
    clearTimeout(this.#tooLate)
    const waiting = this.#waiting
    this.#waiting = []
    for (const { resolve, reject } of waiting) {
      if (text === null) reject(new Error('the metrics cannot be had'))
      else resolve(text)
    }
  }
}
