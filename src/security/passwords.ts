import { Worker } from 'node:worker_threads'
import { limits } from '../base/limits.ts'

/** To the thread: `hash` null asks for a hash of the password, else whether it is that of the password. */
export interface PasswordQuestion {
  readonly id: number
  readonly password: string
  readonly hash: string | null
  readonly cost: number
}
export interface PasswordAnswer {
  readonly id: number
  readonly result: string | boolean
}

interface Waiting {
  readonly resolve: (result: string | boolean) => void
  readonly reject: (error: Error) => void
}

const entry = new URL(`password-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

/** Whether bcrypt looks at all of a password. */
export const isHashable = (password: string): boolean => Buffer.byteLength(password) <= limits.passwordBytesMax

/**
 * Hashes passwords, and compares them with hashes, one after the other in a thread of its own, which starts when it is
 * first needed. Bounded: see `isBusy`.
 */
export class Passwords {
  readonly #cost: number
  readonly #waiting = new Map<number, Waiting>()
  #thread: Worker | null = null
  #nextId = 0

  /** @param cost rounds as a power of two, 4 to 31. */
  constructor(cost: number) {
    this.#cost = cost
  }

  /** So many wait that nobody else should. */
  get isBusy(): boolean {
    return this.#waiting.size >= limits.passwordsWaitingMax
  }

  /** @param password one that `isHashable`. */
  async hash(password: string): Promise<string> {
    return String(await this.#ask(password, null))
  }

  /**
   * @param hash null: there is none to compare with, which takes as long to find out as that it is another one.
   */
  async matches(password: string, hash: string | null): Promise<boolean> {
    const isPossible = hash !== null && isHashable(password)
    const isSame = await this.#ask(isPossible ? password : '', isPossible ? hash : this.#nobodysHash)
    return isPossible && isSame === true
  }

  async close(): Promise<void> {
    await this.#thread?.terminate()
  }

  /** In the form of a hash, and not known to be one of anything. */
  get #nobodysHash(): string {
    return `$2b$${String(this.#cost).padStart(2, '0')}$${'.'.repeat(53)}`
  }

  #ask(password: string, hash: string | null): Promise<string | boolean> {
    const id = this.#nextId++
    const answer = new Promise<string | boolean>((resolve, reject) => this.#waiting.set(id, { resolve, reject }))
    this.#thread ??= this.#start()
    this.#thread.postMessage({ id, password, hash, cost: this.#cost } satisfies PasswordQuestion)
    return answer
  }

  #start(): Worker {
    const thread = new Worker(entry, { name: 'passwords' })
    // Nobody stays for it alone.
    thread.unref()
    thread.on('message', ({ id, result }: PasswordAnswer) => {
      this.#waiting.get(id)?.resolve(result)
      this.#waiting.delete(id)
    })
    // The error's text could have come from what was asked.
    thread.on('error', (error) => this.#ended(thread, error instanceof Error ? error.name : 'failed'))
    thread.on('exit', (code) => this.#ended(thread, `exit code ${code}`))
    return thread
  }

  #ended(thread: Worker, why: string): void {
    if (this.#thread !== thread) return
    this.#thread = null
    for (const { reject } of this.#waiting.values()) reject(new Error(`the thread for passwords ended: ${why}`))
    this.#waiting.clear()
  }
}
