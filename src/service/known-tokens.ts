import { createHash } from 'node:crypto'
import type { AccessRules } from '../auth/access-rules.ts'
import { isTokenGood } from '../auth/authorize.ts'
import { type Caller, memberCaller, type TokenMark } from '../auth/caller.ts'
import { getToken } from '../auth/records.ts'
import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import { getApplied } from '../mvcc/meta.ts'
import type { ReadView } from '../mvcc/view.ts'
import { AuthChange, type AuthToken } from '../wire/gen/internal.ts'
import type { Credentials } from './call.ts'
import type { Member } from './member.ts'
import type { ShownToken, TokenKind } from './token-kind.ts'

/** Simple tokens as etcd's: 16 letters that nobody can guess, and the index of the log entry that issued it. */
const form = /^([A-Za-z]{16})\.([1-9][0-9]{0,15})$/

/** The log and the state have a hash of the letters only: who reads them cannot log in. */
export const hashOfToken = (letters: string): Uint8Array => createHash('sha256').update(letters).digest()

interface KnownToken {
  readonly hash: Uint8Array
  row: AuthToken
  /** Of the rules by which it was last found good. */
  version: number
  /** A longer life has been asked for, until when. */
  renewedUntilMs: number
}

const markOf = ({ revision }: AuthToken): TokenMark => ({ revision: Number(revision), issuedMs: 0, ids: [] })

const forAsLongAsItIsUsed: ShownToken = { expiresMs: null, signed: null }

const endOf = ({ row, renewedUntilMs }: KnownToken): number => Math.max(Number(row.expires_ms), renewedUntilMs)

/** The tokens that one serving thread has looked up: what they stand for is in the state, equal on all members. */
export class KnownTokens implements TokenKind {
  readonly #member: Member
  readonly #known = new Map<string, KnownToken>()
  readonly #nowMs: () => number

  constructor(member: Member, nowMs: () => number = Date.now) {
    this.#member = member
    this.#nowMs = nowMs
  }

  has(token: string): boolean {
    return this.#known.has(token)
  }

  shown(): ShownToken {
    return forAsLongAsItIsUsed
  }

  /** A token ends in the index of the log entry without which it cannot be judged. */
  whenKnown(token: string, _credentials: Credentials, rulesNow: () => AccessRules): Promise<void> | null {
    if (this.#known.has(token)) return null
    const match = form.exec(token)
    if (match === null || !rulesNow().enabled) return null
    if (this.#member.read(getApplied).index >= Number(match[2])) return null
    // Whatever comes of it: the handler finds out in its turn.
    return this.#member.readBarrier().catch(() => {})
  }

  /**
   * A token that is used lives on: before half of its time is over, more is asked for.
   *
   * @param rules of `view`.
   * @throws EtcdError invalidAuthToken.
   */
  callerOf(rules: AccessRules, view: ReadView, token: string): Caller {
    const nowMs = this.#nowMs()
    let known = this.#known.get(token)
    if (known === undefined || known.version !== rules.version || nowMs >= Number(known.row.expires_ms)) {
      known = this.#lookUp(rules, view, token, nowMs)
    }
    const ttlMs = this.#member.info.authTokenTtlSeconds * 1000
    const isOld = (token: KnownToken): boolean => endOf(token) - nowMs < ttlMs / 2
    // It may have been renewed elsewhere.
    if (isOld(known)) known = this.#lookUp(rules, view, token, nowMs)
    if (isOld(known)) this.#renew(known, nowMs, ttlMs)
    return { kind: 'user', id: Number(known.row.user_id), token: markOf(known.row), scope: null }
  }

  #lookUp(rules: AccessRules, view: ReadView, token: string, nowMs: number): KnownToken {
    const before = this.#known.get(token)
    this.#known.delete(token)
    const [, letters, index] = form.exec(token) ?? []
    if (letters === undefined || index === undefined) throw new EtcdError('invalidAuthToken')
    const hash = before?.hash ?? hashOfToken(letters)
    const row = getToken(view, hash)
    const rights = row === null ? null : rules.user(view, Number(row.user_id))
    const isGood =
      row !== null &&
      rights !== null &&
      row.index === BigInt(index) &&
      nowMs < Number(row.expires_ms) &&
      isTokenGood(rules, rights, markOf(row))
    if (!isGood) throw new EtcdError('invalidAuthToken')
    const known = { hash, row, version: rules.version, renewedUntilMs: before?.renewedUntilMs ?? 0 }
    this.#known.set(token, known)
    if (this.#known.size > limits.authTokensRememberedMax) this.#forgetOldest()
    return known
  }

  #forgetOldest(): void {
    const { value } = this.#known.keys().next()
    if (value !== undefined) this.#known.delete(value)
  }

  /** In the background; if it fails, the next use of the token asks again. */
  #renew(known: KnownToken, nowMs: number, ttlMs: number): void {
    known.renewedUntilMs = nowMs + ttlMs
    const renewal = { hash: known.hash, now_ms: BigInt(nowMs), ttl_ms: BigInt(ttlMs) }
    const request = AuthChange.encode({ change: { $case: 'renew_token', value: renewal } }).finish()
    this.#member.propose('auth', request, memberCaller).catch(() => {
      known.renewedUntilMs = 0
    })
  }
}
