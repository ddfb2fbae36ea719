import { createHmac, randomFillSync } from 'node:crypto'
import { networkOf } from '../base/network-address.ts'
import { FailureTable } from './failure-table.ts'

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

const keyBytes = 32

/** The same clock in all threads, unlike that of `performance`. */
const systemMs = (): number => Number(process.hrtime.bigint() / 1_000_000n)

/**
 * Slows down who guesses passwords: after a number of failures each user, and each address, has to wait before the next
 * attempt, twice as long each time. Names that are no user's count alike, so that a wait tells nothing. Of IPv6 addresses
 * the network counts.
 *
 * What it knows lies in memory that all threads of a member share, at a fixed size and cost: another thread gives nobody more
 * tries, and a thread that is started again forgets nothing. Names are found by a keyed hash, so that nobody can choose
 * whose failures are forgotten in favour of new ones.
 */
export class LoginGuard {
  readonly #key: Uint8Array
  readonly #users: FailureTable
  readonly #addresses: FailureTable
  readonly #nowMs: () => number

  /** Memory for one member. */
  static memory(): SharedArrayBuffer {
    const memory = new SharedArrayBuffer(keyBytes + 2 * FailureTable.bytes)
    randomFillSync(new Uint8Array(memory, 0, keyBytes))
    return memory
  }

  /** @param nowMs must be the same in all threads that share the memory. */
  constructor(memory: SharedArrayBuffer = LoginGuard.memory(), nowMs: () => number = systemMs) {
    this.#nowMs = nowMs
    // A copy: the library does not take shared memory for a key.
    this.#key = Uint8Array.from(new Uint8Array(memory, 0, keyBytes))
    this.#users = new FailureTable(memory, keyBytes)
    this.#addresses = new FailureTable(memory, keyBytes + FailureTable.bytes)
  }

  mustWait(user: string, address: string): boolean {
    return (
      this.#waits(this.#users, this.#tag(user), ofUser) ||
      this.#waits(this.#addresses, this.#tag(networkOf(address)), ofAddress)
    )
  }

  failed(user: string, address: string): void {
    const now = this.#nowMs()
    this.#users.add(this.#tag(user), now, forgottenMs)
    this.#addresses.add(this.#tag(networkOf(address)), now, forgottenMs)
  }

  /** The address keeps its failures: one good password would hide many guesses at others. */
  succeeded(user: string): void {
    this.#users.clear(this.#tag(user))
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
