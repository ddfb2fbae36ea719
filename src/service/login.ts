import { randomBytes } from 'node:crypto'
import { memberCaller } from '../auth/caller.ts'
import { getUser } from '../auth/records.ts'
import type { Revision } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import { Code, EtcdError } from '../errors.ts'
import { AuthChange, type AuthUser } from '../wire/gen/internal.ts'
import { AuthenticateRequest, AuthenticateResponse } from '../wire/gen/rpc.ts'
import { accessOf } from './access.ts'
import { refuseEnded } from './admission.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import type { JwtKeys } from './known-jwts.ts'
import { hashOfToken } from './known-tokens.ts'
import { LoginGuard, type LoginPlace } from './login-guard.ts'
import type { Member } from './member.ts'
import { isHashable } from './new-passwords.ts'
import { knownRevision, proposeFor, recordFirst, respond } from './respond.ts'
import { StatusError } from './status-error.ts'

/** Who tries to log in, from where, and how to learn that nobody waits for it any more. */
export interface LoginAttempt {
  readonly user: string
  readonly place: LoginPlace
  onEnd(callback: () => void): void
}

/** Hashes passwords, away from the serving thread. They have at most `limits.passwordBytesMax`. */
export interface PasswordHasher {
  /** So many wait that nobody else should. */
  readonly isBusy: boolean
  /** @returns null if too many wait. @param address of whoever asks. */
  hash(password: string, address: string): Promise<string | null>
  /**
   * Counts, for the `LoginGuard`, whether it was right.
   *
   * @param hash null: there is none to compare with, which takes as long to find out as that it is another one.
   * @returns null if it was not looked at: too many wait, the caller has gone, or has to wait because others failed meanwhile.
   */
  matches(password: string, hash: string | null, attempt: LoginAttempt): Promise<boolean | null>
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
  readonly #jwt: JwtKeys | null

  /** @param guard that which `passwords` count for. @param jwt what tokens are signed with; null: simple ones are issued. */
  constructor(passwords: PasswordHasher, log: Log, guard = new LoginGuard(), jwt: JwtKeys | null = null) {
    this.#jwt = jwt
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
      const { user, revision } = await this.#check(member, name, password, call)
      // If the password is changed meanwhile, that is at a later revision, and the token is void.
      if (this.#jwt !== null) {
        const token = await signed(this.#jwt, user.name, revision)
        await recordFirst(call)
        return answer(member, knownRevision(member), token)
      }
      const issued = randomLetters()
      const outcome = await proposeFor(call, member, 'auth', issueRequest(member, user, issued), memberCaller)
      if (outcome.ok) {
        return answer(member, outcome.revision, `${issued}.${Buffer.from(outcome.body).toString('latin1')}`)
      }
      if (outcome.reason !== 'authOldRevision' || attempt === attemptsMax) throw new EtcdError(outcome.reason)
    }
  }

  /** @returns the user and the auth revision, as of before its password was looked at. */
  async #check(
    member: Member,
    name: string,
    password: string,
    call: Call,
  ): Promise<{ readonly user: AuthUser; readonly revision: number }> {
    const place = placeOf(call)
    const { user, revision } = member.read((view) => {
      const rules = accessOf(member).rules(view)
      if (!rules.enabled) throw new EtcdError('authNotEnabled')
      return { user: getUser(view, name), revision: Number(rules.revision) }
    })
    // A longer name is nobody's, and not worth remembering.
    const guarded = name.slice(0, limits.authNameBytesMax)
    // Not the name as it came, if it is nobody's: it may be a password in the wrong place.
    const audited = user?.name ?? ''
    // Where the user is known its turn comes, however many others wait.
    const isBusy = this.#passwords.isBusy && !this.#guard.knows(guarded, place)
    if (this.#guard.mustWait(guarded, place) || isBusy) {
      call.audit?.login(audited, 'too many failures, or too many at once', true)
      throw new EtcdError('tooManyRequests')
    }
    refuseEnded(call)
    // bcrypt does not look at all of a longer one: it is nobody's, and takes as long as any other wrong one.
    const isPossible = user !== null && user.password_hash !== '' && isHashable(password)
    const attempt = { user: guarded, place, onEnd: (callback: () => void) => call.onEnd(callback) }
    const isRight = isPossible
      ? await this.#passwords.matches(password, user.password_hash, attempt)
      : await this.#passwords.matches('', null, attempt)
    if (isRight === null) throw new EtcdError('tooManyRequests')
    if (user !== null && isRight) {
      call.audit?.login(audited, 'right password', false)
      return { user, revision }
    }
    call.audit?.login(audited, user === null ? 'no such user' : 'wrong password', true)
    this.#log.warn('a login failed', { address: place.address, user: user === null ? 'unknown' : user.name })
    throw new EtcdError('authFailed')
  }
}

function placeOf({ credentials }: Call): LoginPlace {
  if (credentials === 'member') return { address: '', certificate: null }
  return { address: credentials.address, certificate: credentials.certificateSha256 }
}

const answer = (member: Member, revision: Revision, token: string): Uint8Array =>
  respond(member, revision, AuthenticateResponse.encode({ header: undefined, token }).finish())

/** @throws StatusError Unknown, in etcd's words, where tokens come from elsewhere. */
async function signed(jwt: JwtKeys, user: string, revision: number): Promise<string> {
  const token = await jwt.sign(user, revision)
  if (token === null) throw new StatusError(Code.Unknown, 'auth: token signing attempted with verify-only key')
  return token
}

function issueRequest(member: Member, user: AuthUser, issued: string): Uint8Array {
  const value = {
    user_id: user.id,
    tokens_since: user.tokens_since,
    hash: hashOfToken(issued),
    now_ms: BigInt(Date.now()),
    ttl_ms: BigInt(member.info.authTokenTtlSeconds * 1000),
  }
  return AuthChange.encode({ change: { $case: 'issue_token', value } }).finish()
}
