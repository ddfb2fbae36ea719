import { limits } from '../base/limits.ts'

/** How many failed logins are let pass, and how long the next one has to wait then. */
interface Patience {
  readonly free: number
  readonly waitMsMin: number
  readonly waitMsMax: number
}

/** A user's own wait is short: whoever tries to shut a user out by failing in its name cannot do so for long. */
const ofUser: Patience = { free: 10, waitMsMin: 100, waitMsMax: 5_000 }
/** Many users may share an address. */
const ofAddress: Patience = { free: 100, waitMsMin: 100, waitMsMax: 30_000 }

/** After so long without another one, failures are forgotten. */
const forgottenMs = 10 * 60 * 1000

interface Failures {
  count: number
  lastMs: number
}

/**
 * Slows down who guesses passwords: after a number of failures each user, and each address, has to wait before the next
 * attempt, twice as long each time. Names that are no user's count alike, so that a wait tells nothing.
 */
export class LoginGuard {
  readonly #users = new Map<string, Failures>()
  readonly #addresses = new Map<string, Failures>()
  readonly #nowMs: () => number

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs
  }

  mustWait(user: string, address: string): boolean {
    return this.#waits(this.#users.get(user), ofUser) || this.#waits(this.#addresses.get(address), ofAddress)
  }

  failed(user: string, address: string): void {
    this.#count(this.#users, user)
    this.#count(this.#addresses, address)
  }

  /** The address keeps its failures: one good password would hide many guesses at others. */
  succeeded(user: string): void {
    this.#users.delete(user)
  }

  #waits(failures: Failures | undefined, { free, waitMsMin, waitMsMax }: Patience): boolean {
    if (failures === undefined || failures.count < free) return false
    const waitMs = Math.min(waitMsMax, waitMsMin * 2 ** (failures.count - free))
    return this.#nowMs() < failures.lastMs + waitMs
  }

  #count(all: Map<string, Failures>, key: string): void {
    const now = this.#nowMs()
    const before = all.get(key)
    const count = before === undefined || now - before.lastMs >= forgottenMs ? 1 : before.count + 1
    // To the end: those that failed longest ago are forgotten first.
    all.delete(key)
    all.set(key, { count, lastMs: now })
    if (all.size > limits.loginFailuresRememberedMax) all.delete(all.keys().next().value!)
  }
}
