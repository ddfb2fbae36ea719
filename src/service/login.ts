import { randomBytes } from 'node:crypto'
import { memberCaller } from '../auth/caller.ts'
import { getUser } from '../auth/records.ts'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import { EtcdError } from '../errors.ts'
import { AuthChange, type AuthUser } from '../wire/gen/internal.ts'
import { AuthenticateRequest, AuthenticateResponse } from '../wire/gen/rpc.ts'
import { accessOf } from './access.ts'
import { refuseEnded } from './admission.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import { hashOfToken } from './known-tokens.ts'
import { LoginGuard } from './login-guard.ts'
import type { Member } from './member.ts'
import { respond } from './respond.ts'

/** Hashes passwords, away from the serving thread. */
export interface PasswordHasher {
  /** So many wait that nobody else should. */
  readonly isBusy: boolean
  hash(password: string): Promise<string>
  /** @param hash null: there is none to compare with, which takes as long to find out as that it is another one. */
  matches(password: string, hash: string | null): Promise<boolean>
}

/** How often a login begins anew because the user was changed while its password was looked at. */
const attemptsMax = 3

const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** Sixteen letters: 91 bits. */
export function randomLetters(): string {
  let text = ''
  while (text.length < 16) {
    // Of 256 values the first 208 are four times each letter.
    for (const byte of randomBytes(32)) if (byte < 208 && text.length < 16) text += letters[byte % 52]
  }
  return text
}

/** Logs users in: for a name and its password there is a token. */
export class Login {
  readonly #passwords: PasswordHasher
  readonly #log: Log
  readonly #guard: LoginGuard

  constructor(passwords: PasswordHasher, log: Log, guard = new LoginGuard()) {
    this.#passwords = passwords
    this.#log = log
    this.#guard = guard
  }

  /**
   * One refusal, in the same time, for no such user, a user without a password and a wrong password.
   *
   * @throws EtcdError authNotEnabled; authFailed; tooManyRequests after many failures of the user or the address.
   */
  async authenticate(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
    const { name, password } = decodeRequest(AuthenticateRequest, bytes)
    await member.readBarrier()
    for (let attempt = 1; ; attempt++) {
      const user = await this.#check(member, name, password, call)
      const issued = randomLetters()
      const outcome = await member.propose('auth', issueRequest(member, user, issued), memberCaller)
      if (outcome.ok) {
        const token = `${issued}.${Buffer.from(outcome.body).toString('latin1')}`
        return respond(member, outcome.revision, AuthenticateResponse.encode({ header: undefined, token }).finish())
      }
      if (outcome.reason !== 'authOldRevision' || attempt === attemptsMax) throw new EtcdError(outcome.reason)
    }
  }

  /** @returns the user, as of before its password was looked at. */
  async #check(member: Member, name: string, password: string, call: Call): Promise<AuthUser> {
    const address = call.credentials === 'member' ? '' : call.credentials.address
    const user = member.read((view) => {
      if (!accessOf(member).rules(view).enabled) throw new EtcdError('authNotEnabled')
      return getUser(view, name)
    })
    // A longer name is nobody's, and not worth remembering.
    const guarded = name.slice(0, limits.authNameBytesMax)
    if (this.#guard.mustWait(guarded, address) || this.#passwords.isBusy) throw new EtcdError('tooManyRequests')
    refuseEnded(call)
    const hash = user === null || user.password_hash === '' ? null : user.password_hash
    const isRight = await this.#passwords.matches(password, hash)
    if (user !== null && isRight) {
      this.#guard.succeeded(guarded)
      return user
    }
    this.#guard.failed(guarded, address)
    this.#log.warn('a login failed', { address, user: user === null ? 'unknown' : user.name })
    throw new EtcdError('authFailed')
  }
}

function issueRequest(member: Member, user: AuthUser, issued: string): Uint8Array {
  const value = {
    user_id: user.id,
    password_since: user.password_since,
    hash: hashOfToken(issued),
    now_ms: BigInt(Date.now()),
    ttl_ms: BigInt(member.info.authTokenTtlSeconds * 1000),
  }
  return AuthChange.encode({ change: { $case: 'issue_token', value } }).finish()
}
