import type { Index } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import type { WriteView } from '../mvcc/view.ts'
import type { AuthChange_IssueToken, AuthChange_RenewToken } from '../wire/gen/internal.ts'
import { getSettings, getToken, getUserById, putToken, removeExpiredTokens } from './records.ts'

/** Tokens do not count as changes of the rules: nobody is judged anew because somebody else logs in. */

/**
 * Notes a token for a user whose password was found to be right.
 *
 * @param index of the entry that says so.
 * @throws EtcdError authNotEnabled; authOldRevision if the user is gone or has another password by now: check again.
 */
export function issueToken(view: WriteView, issued: AuthChange_IssueToken, index: Index): void {
  const { enabled, revision } = getSettings(view)
  if (!enabled) throw new EtcdError('authNotEnabled')
  const user = getUserById(view, Number(issued.user_id))
  if (user === null || user.password_since !== issued.password_since) throw new EtcdError('authOldRevision')
  const nowMs = Number(issued.now_ms)
  removeExpiredTokens(view, nowMs, limits.authTokensSweptMax)
  const expires_ms = BigInt(nowMs + Number(issued.ttl_ms))
  putToken(view, issued.hash, { user_id: user.id, revision, expires_ms, index: BigInt(index) })
}

/** Gives a token that is in use more time; one that is gone by now stays so. */
export function renewToken(view: WriteView, { hash, now_ms, ttl_ms }: AuthChange_RenewToken): void {
  const token = getToken(view, hash)
  const expiresMs = now_ms + ttl_ms
  if (token !== null && token.expires_ms < expiresMs) putToken(view, hash, { ...token, expires_ms: expiresMs })
  removeExpiredTokens(view, Number(now_ms), limits.authTokensSweptMax)
}
