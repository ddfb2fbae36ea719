import { limits } from '../base/limits.ts'
import { networkOf } from '../base/network-address.ts'
import { type Asked, type Asker, type PasswordResult, Passwords } from '../security/passwords.ts'
import type { LoginAttempt, PasswordHasher } from '../service/login.ts'
import { LoginGuard, type LoginPlace } from '../service/login-guard.ts'

/** What all threads know of a member's logins without asking. */
export interface SharedLogins {
  /** Of the `LoginGuard`. */
  readonly guard: SharedArrayBuffer
  /** One Int32: how many passwords wait. */
  readonly waiting: SharedArrayBuffer
}

/** A password that is to be compared with a hash, for a user who wants to log in; or hashed, where `user` is null. */
export interface PasswordRequest {
  readonly password: string
  /** Null: that of nobody. */
  readonly hash: string | null
  readonly user: string | null
  readonly place: LoginPlace
}

/** As a thread uses them. */
export interface LoginPasswords {
  readonly hasher: PasswordHasher
  readonly guard: LoginGuard
}

/**
 * Where all passwords of a member are looked at, whichever thread was asked: in one bounded queue, in which each place has its
 * turn, so that who shares an address with many that log in does not wait for all of them. Whether a user or an address has to
 * wait is asked again when a password's turn has come, after all those before it have been found right or wrong: many guesses
 * at once are worth no more than one after the other.
 */
export class MemberPasswords {
  readonly shared: SharedLogins = {
    guard: LoginGuard.memory(),
    waiting: new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT),
  }
  readonly #passwords: Passwords
  readonly #guard = new LoginGuard(this.shared.guard)
  readonly #waiting = new Int32Array(this.shared.waiting)

  /** @param bcryptCost rounds as a power of two, 4 to 31. */
  constructor(bcryptCost: number) {
    this.#passwords = new Passwords(bcryptCost)
  }

  ask({ password, hash, place, user }: PasswordRequest): Asked<PasswordResult> {
    const source = JSON.stringify([networkOf(place.address), place.certificate])
    const asked =
      user === null
        ? this.#passwords.hash(password, { source })
        : this.#passwords.matches(password, hash, this.#guarded(user, place, source))
    const count = (): void => {
      Atomics.store(this.#waiting, 0, this.#passwords.waiting)
    }
    count()
    asked.result.then(count, count)
    return asked
  }

  /** For serving in this very thread. */
  here(): LoginPasswords {
    return loginPasswords((request) => this.ask(request), this.shared)
  }

  close(): Promise<void> {
    return this.#passwords.close()
  }

  #guarded(user: string, place: LoginPlace, source: string): Asker {
    return {
      source,
      isWanted: () => !this.#guard.mustWait(user, place),
      done: (isRight) => (isRight === true ? this.#guard.succeeded(user, place) : this.#guard.failed(user, place)),
    }
  }
}

/** @param ask as `MemberPasswords`. */
export function loginPasswords(
  ask: (request: PasswordRequest) => Asked<PasswordResult>,
  shared: SharedLogins,
): LoginPasswords {
  const waiting = new Int32Array(shared.waiting)
  const hasher: PasswordHasher = {
    get isBusy() {
      return Atomics.load(waiting, 0) >= limits.passwordsWaitingMax
    },
    async hash(password, address) {
      const result = await ask({ password, hash: null, user: null, place: { address, certificate: null } }).result
      return typeof result === 'string' ? result : null
    },
    async matches(password, hash, { user, place, onEnd }: LoginAttempt) {
      const { result, giveUp } = ask({ password, hash, user, place })
      onEnd(giveUp)
      const isRight = await result
      return typeof isRight === 'boolean' ? isRight : null
    },
  }
  return { hasher, guard: new LoginGuard(shared.guard) }
}
