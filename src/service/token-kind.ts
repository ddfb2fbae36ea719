import type { AccessRules } from '../auth/access-rules.ts'
import type { Caller } from '../auth/caller.ts'
import type { ReadView } from '../mvcc/view.ts'

/** How tokens of one kind are turned into callers, on one serving thread. */
export interface TokenKind {
  /**
   * Null if `callerOf` can judge the token now; else when it can. Never rejects.
   *
   * @param rulesNow those of the newest state.
   */
  whenKnown(token: string, rulesNow: () => AccessRules): Promise<void> | null
  /**
   * @param rules of `view`.
   * @throws EtcdError invalidAuthToken.
   */
  callerOf(rules: AccessRules, view: ReadView, token: string): Caller
}
