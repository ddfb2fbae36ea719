import { createHmac, randomFillSync } from 'node:crypto'
import { networkOf } from '../base/network-address.ts'
import { FailureTable } from './failure-table.ts'

/** How many failed logins are let pass, and how long the next one has to wait then. */
interface Patience {
  readonly free: number
  readonly waitMsMin: number
  readonly waitMsMax: number
}

/** Of a user, wherever the failures come from; and of a place where it is known, by itself. */
const ofUser: Patience = { free: 10, waitMsMin: 100, waitMsMax: 5_000 }
/** Many users may share an address. */
const ofAddress: Patience = { free: 100, waitMsMin: 100, waitMsMax: 30_000 }

/** After so long without another one, failures are forgotten. */
const forgottenMs = 10 * 60 * 1000
/** After so long without a login a user is known at a place no more. */
const knownMs = 30 * 24 * 60 * 60 * 1000

/** From where somebody tries to log in. */
export interface LoginPlace {
  readonly address: string
  /** SHA-256 of the client certificate, as text; null: there is none. */
  readonly certificate: string | null
}

const keyBytes = 32

/** The same clock in all threads, unlike that of `performance`. */
const systemMs = (): number => Number(process.hrtime.bigint() / 1_000_000n)

/**
 * Slows down who guesses passwords: after a number of failures each user, and each address, has to wait before the next
 * attempt, twice as long each time. Names that are no user's count alike, so that a wait tells nothing. Of IPv6 addresses
 * the network counts.
 *
 * Whoever fails in a user's name does not shut that user out of the places where it is known: those from which it has logged in
 * lately, by address and client certificate. There only what fails there counts.
 *
 * What it knows lies in memory that all threads of a member share, at a fixed size and cost: another thread gives nobody more
 * tries, and a thread that is started again forgets nothing. Names are found by a keyed hash, so that nobody can choose
 * whose failures are forgotten in favour of new ones.
 */
export class LoginGuard {
  readonly #key: Uint8Array
  readonly #users: FailureTable
  readonly #addresses: FailureTable
  /** The last login of a user at a place. */
  readonly #known: FailureTable
  readonly #ofKnown: FailureTable
  readonly #nowMs: () => number

  /** Memory for one member. */
  static memory(): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(keyBytes + 4 * FailureTable.bytes)
    randomFillSync(new Uint8Array(memory, 0, keyBytes))
    return memory
  }

  /** @param nowMs must be the same in all threads that share the memory. */
  constructor(memory: SharedArrayBuffer = LoginGuard.memory(), nowMs: () => number = systemMs) {
    this.#nowMs = nowMs
    // A copy: the library does not take shared memory for a key.
    this.#key = Uint8Array.from(new Uint8Array(memory, 0, keyBytes))
    const table = (n: number): FailureTable => new FailureTable(memory, keyBytes + n * FailureTable.bytes)
    this.#users = table(0)
    this.#addresses = table(1)
    this.#known = table(2)
    this.#ofKnown = table(3)
  }

  mustWait(user: string, place: LoginPlace): boolean {
    const known = this.#knownAt(user, place)
    if (known !== null) return this.#waits(this.#ofKnown, known, ofUser)
    return (
      this.#waits(this.#users, this.#tag(user), ofUser) ||
      this.#waits(this.#addresses, this.#tag(networkOf(place.address)), ofAddress)
    )
  }

  /** Whether the user has logged in at that place lately. */
  knows(user: string, place: LoginPlace): boolean {
    return this.#knownAt(user, place) !== null
  }

  failed(user: string, place: LoginPlace): void {
    const now = this.#nowMs()
    const known = this.#knownAt(user, place)
    if (known === null) this.#users.add(this.#tag(user), now, forgottenMs)
    else this.#ofKnown.add(known, now, forgottenMs)
    this.#addresses.add(this.#tag(networkOf(place.address)), now, forgottenMs)
  }

  /**
   * The address keeps its failures: one good password would hide many guesses at others. So does a user who is known there: its
   * logins give nobody elsewhere more tries.
   */
  succeeded(user: string, place: LoginPlace): void {
    const known = this.#knownAt(user, place)
    if (known === null) this.#users.clear(this.#tag(user))
    else this.#ofKnown.clear(known)
    this.#known.add(this.#tagAt(user, place), this.#nowMs(), knownMs)
  }

  /** The tag of a user and a place, if it is known there. */
  #knownAt(user: string, place: LoginPlace): bigint | null {
    const tag = this.#tagAt(user, place)
    const login = this.#known.get(tag)
    return login !== null && this.#nowMs() < login.lastMs + knownMs ? tag : null
  }

  #tagAt(user: string, { address, certificate }: LoginPlace): bigint {
    return this.#tag(JSON.stringify([user, networkOf(address), certificate]))
  }

  #tag(name: string): bigint {
    return createHmac('sha256', this.#key).update(name).digest().readBigInt64LE()
  }

  #waits(table: FailureTable, tag: bigint, { free, waitMsMin, waitMsMax }: Patience): boolean {
    const failures = table.get(tag)
    if (failures === null || failures.count < free) return false
    const waitMs = Math.min(waitMsMax, waitMsMin * 2 ** (failures.count - free))
    return this.#nowMs() < failures.lastMs + waitMs
  }
}
