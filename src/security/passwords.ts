import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { limits } from '../base/limits.ts'
import { FairQueue } from './fair-queue.ts'

/**
 * To a thread: `hash` null asks for a hash of the password, else whether it is that of the password; `cost` is then what a wrong one
 * costs in any case.
 */
export interface PasswordQuestion {
  readonly password: string
  readonly hash: string | null
  readonly cost: number
}
export type PasswordResult = string | boolean

/** Who asks, and until when. */
export interface Asker {
  /** Askers of one source wait for each other before anybody else waits for them. */
  readonly source: string
  /** Asked when its turn has come: whether it is still to be done. */
  isWanted?(): boolean
  /** Told the result before the next one begins. */
  done?(result: PasswordResult): void
}

interface Job {
  readonly question: PasswordQuestion
  readonly asker: Asker
  readonly resolve: (result: PasswordResult | null) => void
  readonly reject: (error: Error) => void
}

/** What may come of a question. */
export interface Asked<Result extends PasswordResult> {
  /** Null: it was not looked at, because too many wait, because it was given up, or because it is not wanted any more. */
  readonly result: Promise<Result | null>
  /** Gives it up if it has not begun. */
  giveUp(): void
}

/** In the form of a hash, and not known to be one of anything. */
export const nobodysHash = (cost: number): string => `$2b$${String(cost).padStart(2, '0')}$${'.'.repeat(53)}`

/** 0: it is none. */
const costOf = (hash: string): number => Number(/^\$2[aby]\$(\d\d)\$/.exec(hash)?.[1] ?? 0)

const entry = new URL(`password-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

/** Half of the processors are left to those who serve; more threads would not be worth their memory. */
const threadsMaxHere = (): number => Math.max(1, Math.min(4, Math.floor(availableParallelism() / 2)))

/**
 * Hashes passwords, and compares them with hashes, in threads of their own, which start when they are first needed and give way
 * to all others. What waits is bounded, and each source has its turn.
 */
export class Passwords {
  readonly #cost: number
  /** Of what has been compared so far: hashes may be older than the configuration. */
  #costMax: number
  readonly #threadsMax: number
  readonly #queue: FairQueue<Job>
  /** What each thread is at; null: nothing. */
  readonly #threads = new Map<Worker, Job | null>()

  /** @param cost rounds as a power of two, 4 to 31. */
  constructor(cost: number, threadsMax = threadsMaxHere()) {
    this.#cost = cost
    this.#costMax = cost
    this.#threadsMax = threadsMax
    this.#queue = new FairQueue(limits.passwordsWaitingMax, limits.passwordsWaitingPerAddressMax)
  }

  /** How many wait to begin. */
  get waiting(): number {
    return this.#queue.size
  }

  /** @param password of at most `limits.passwordBytesMax`: bcrypt looks at no more of it. */
  hash(password: string, asker: Asker): Asked<string> {
    return this.#ask({ password, hash: null, cost: this.#cost }, asker) as Asked<string>
  }

  /**
   * @param password as above.
   * @param hash null: there is none to compare with, which takes as long to find out as that it is another one.
   */
  matches(password: string, hash: string | null, asker: Asker): Asked<boolean> {
    if (hash !== null) this.#costMax = Math.max(this.#costMax, costOf(hash))
    const question = { password, hash: hash ?? nobodysHash(this.#costMax), cost: this.#costMax }
    return this.#ask(question, asker) as Asked<boolean>
  }

  /** What waits, or is being hashed, is rejected. */
  async close(): Promise<void> {
    this.#rejectAll(new Error('the member stops'))
    const threads = [...this.#threads.keys()]
    for (const thread of threads) this.#ended(thread, 'closed')
    await Promise.all(threads.map((thread) => thread.terminate()))
  }

  #ask(question: PasswordQuestion, asker: Asker): Asked<PasswordResult> {
    const { promise, resolve, reject } = Promise.withResolvers<PasswordResult | null>()
    const job: Job = { question, asker, resolve, reject }
    if (this.#queue.add(asker.source, job, (other) => other.resolve(null))) this.#goOn()
    else resolve(null)
    return {
      result: promise,
      giveUp: () => {
        if (this.#queue.remove(asker.source, job)) resolve(null)
      },
    }
  }

  #goOn(): void {
    while (this.#queue.size > 0) {
      let thread: Worker | null
      try {
        thread = this.#idleThread()
      } catch (error) {
        // The system has no thread to give, now. With another one at work, that one goes on.
        if (this.#threads.size === 0) this.#rejectAll(error as Error)
        return
      }
      if (thread === null) return
      const job = this.#queue.take()!
      if (job.asker.isWanted?.() === false) job.resolve(null)
      else {
        this.#threads.set(thread, job)
        thread.postMessage(job.question)
      }
    }
  }

  #rejectAll(error: Error): void {
    for (let job = this.#queue.take(); job !== null; job = this.#queue.take()) job.reject(error)
  }

  #idleThread(): Worker | null {
    for (const [thread, job] of this.#threads) if (job === null) return thread
    if (this.#threads.size >= this.#threadsMax) return null
    const thread = new Worker(entry, { name: 'passwords' })
    // Nobody stays for it alone.
    thread.unref()
    this.#threads.set(thread, null)
    thread.on('message', (result: PasswordResult) => this.#answered(thread, result))
    // The error's text could have come from what was asked.
    thread.on('error', (error) => this.#ended(thread, error instanceof Error ? error.name : 'failed'))
    thread.on('exit', (code) => this.#ended(thread, `exit code ${code}`))
    return thread
  }

  #answered(thread: Worker, result: PasswordResult): void {
    const job = this.#threads.get(thread)
    if (job == null) return
    this.#threads.set(thread, null)
    job.asker.done?.(result)
    job.resolve(result)
    this.#goOn()
  }

  #ended(thread: Worker, why: string): void {
    const job = this.#threads.get(thread)
    if (!this.#threads.delete(thread)) return
    job?.reject(new Error(`a thread for passwords ended: ${why}`))
    this.#goOn()
  }
}
