import type { AccessRules } from '../auth/access-rules.ts'
import type { Caller } from '../auth/caller.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { Credentials } from './call.ts'
import type { VerifiedToken } from './signed-tokens.ts'

/** What a good token says beside whose it is. */
export interface ShownToken {
  /** Wall clock; null: it lives on while it is used. */
  readonly expiresMs: number | null
  /** Null: a kind that cannot be narrowed. */
  readonly signed: VerifiedToken | null
}

/** How tokens of one kind are turned into callers, on one serving thread. */
export interface TokenKind {
  /** Whether the token was found to be of this kind before. */
  has(token: string): boolean
  /**
   * Null if `callerOf` can judge the token now; else when it can. Never rejects.
   *
   * @param credentials with which the token came.
   * @param rulesNow those of the newest state.
   * @throws EtcdError tooManyRequests.
   */
  whenKnown(token: string, credentials: Credentials, rulesNow: () => AccessRules): Promise<void> | null
  /**
   * @param rules of `view`.
   * @param credentials with which the token came.
   * @throws EtcdError invalidAuthToken.
   */
  callerOf(rules: AccessRules, view: ReadView, token: string, credentials: Credentials): Caller
  /** Of a token that `callerOf` has just taken. */
  shown(token: string): ShownToken
}
