import type { AccessRules } from '../auth/access-rules.ts'
import type { Caller } from '../auth/caller.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { Credentials } from './call.ts'
import type { SignedTokens } from './signed-tokens.ts'
import type { ShownToken, TokenKind } from './token-kind.ts'

/**
 * Tokens of `--auth-token` and signed ones beside each other. What kind a token is, it says itself: no key and no table
 * is tried on a token that does not claim to be for it.
 */
export class TokenKinds implements TokenKind {
  readonly #logins: TokenKind
  readonly #signed: SignedTokens

  constructor(logins: TokenKind, signed: SignedTokens) {
    this.#logins = logins
    this.#signed = signed
  }

  has(token: string): boolean {
    return this.#signed.has(token) || this.#logins.has(token)
  }

  whenKnown(token: string, credentials: Credentials, rulesNow: () => AccessRules): Promise<void> | null {
    return this.#kindOf(token).whenKnown(token, credentials, rulesNow)
  }

  callerOf(rules: AccessRules, view: ReadView, token: string, credentials: Credentials): Caller {
    return this.#kindOf(token).callerOf(rules, view, token, credentials)
  }

  shown(token: string): ShownToken {
    return this.#kindOf(token).shown(token)
  }

  #kindOf(token: string): TokenKind {
    if (this.#signed.has(token)) return this.#signed
    if (this.#logins.has(token)) return this.#logins
    return this.#signed.keys.claims(token) ? this.#signed : this.#logins
  }
}
