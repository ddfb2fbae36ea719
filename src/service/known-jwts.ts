import type { AccessRules } from '../auth/access-rules.ts'
import { isTokenGood } from '../auth/authorize.ts'
import type { Caller } from '../auth/caller.ts'
import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { Credentials } from './call.ts'
import type { Member } from './member.ts'
import type { ShownToken, TokenKind } from './token-kind.ts'
import { Verifying } from './verifying.ts'

export interface JwtClaims {
  readonly username: string
  /** Auth revision when it was issued. */
  readonly revision: number
  readonly expiresMs: number
}

/** Signed tokens, as `security/` makes and verifies them. */
export interface JwtKeys {
  /** @returns null if there is no key to sign with. */
  sign(username: string, revision: number): Promise<string | null>
  /**
   * @param source within which tokens wait for each other before those of others wait for them.
   * @returns null for one that is not good.
   */
  verify(token: string, source: string): Promise<JwtClaims | null>
}

/**
 * Signed tokens that one serving thread has verified. What a token says is its user and the auth revision at which it was
 * issued: a user that was added, or given a password, later is not meant.
 */
export class KnownJwts implements TokenKind {
  readonly #member: Member
  readonly #keys: JwtKeys
  readonly #known = new Map<string, JwtClaims>()
  readonly #verifying = new Verifying()

  constructor(member: Member, keys: JwtKeys) {
    this.#member = member
    this.#keys = keys
  }

  has(token: string): boolean {
    return this.#known.has(token)
  }

  /** @throws EtcdError tooManyRequests. */
  whenKnown(token: string, credentials: Credentials, rulesNow: () => AccessRules): Promise<void> | null {
    return this.#known.has(token) || !rulesNow().enabled
      ? null
      : this.#verifying.once(token, credentials, (source) => this.#verify(token, source, rulesNow))
  }

  async #verify(token: string, source: string, rulesNow: () => AccessRules): Promise<void> {
    const claims = await this.#keys.verify(token, source)
    if (claims === null) return
    this.#known.set(token, claims)
    if (this.#known.size > limits.authTokensRememberedMax) this.#known.delete(this.#known.keys().next().value!)
    // It speaks of users that this member has not heard of yet. Whatever comes of it: the handler finds out in its turn.
    if (claims.revision > Number(rulesNow().revision)) await this.#member.readBarrier().catch(() => {})
  }

  callerOf(rules: AccessRules, view: ReadView, token: string): Caller {
    const claims = this.#known.get(token)
    if (claims !== undefined && Date.now() < claims.expiresMs) {
      const rights = rules.userNamed(view, claims.username)
      const mark = { revision: claims.revision, issuedMs: 0, ids: [] }
      if (rights !== null && isTokenGood(rules, rights, mark)) {
        return { kind: 'user', id: Number(rights.user.id), token: mark, scope: null }
      }
    } else this.#known.delete(token)
    throw new EtcdError('invalidAuthToken')
  }

  shown(token: string): ShownToken {
    return { expiresMs: this.#known.get(token)?.expiresMs ?? 0, signed: null }
  }
}
