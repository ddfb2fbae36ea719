import { FairQueue } from './fair-queue.ts'

/** Lets so many go on at a time. Of the others each source has its turn, and its own in the order in which they came. */
export class Turns {
  readonly #atOnce: number
  #running = 0
  /** Who comes here bounds how many. */
  readonly #waiting = new FairQueue<() => void>(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY)

  constructor(atOnce: number) {
    this.#atOnce = atOnce
  }

  async run<T>(source: string, work: () => Promise<T>): Promise<T> {
    if (this.#running >= this.#atOnce) await new Promise<void>((resolve) => this.#waiting.add(source, resolve))
    else this.#running++
    try {
      return await work()
    } finally {
      const next = this.#waiting.take()
      // Who comes next takes the place over.
      if (next === null) this.#running--
      else next()
    }
  }
}
