import type { Index } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import type { WriteView } from '../mvcc/view.ts'
import type { AuthChange_IssueToken, AuthChange_RenewToken, AuthChange_RevokeToken } from '../wire/gen/internal.ts'
import {
  getRevokedUntilMs,
  getSettings,
  getToken,
  getUserById,
  putRevokedToken,
  putSettings,
  putToken,
  removeExpiredRevocations,
  removeExpiredTokens,
} from './records.ts'

/** Issuing does not count as a change of the rules: nobody is judged anew because somebody else logs in. Revoking does. */

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
  if (user === null || user.tokens_since !== issued.tokens_since) throw new EtcdError('authOldRevision')
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

/** Longer ids are not made here, and could not be keys. */
const tokenIdBytes = 32

/**
 * Has a token be void until it would have expired. Not a revision for clients.
 *
 * @returns whether anything is different now.
 * @throws EtcdError invalidRequest for what is no token's id.
 */
export function revokeToken(view: WriteView, { id, expires_ms, now_ms }: AuthChange_RevokeToken): boolean {
  if (id.length !== tokenIdBytes) throw new EtcdError('invalidRequest', { cause: 'not the id of a token' })
  // A member whose clock goes after takes what has expired by this one for as long as clocks may differ.
  const forgottenMs = Math.max(0, Number(now_ms) - limits.tokenClockSkewMs)
  removeExpiredRevocations(view, forgottenMs, limits.authTokensSweptMax)
  if (expires_ms <= now_ms) return false
  const untilMs = getRevokedUntilMs(view, id)
  // Who says a time may be wrong about it: the latest one counts.
  if (untilMs === null || untilMs < expires_ms) putRevokedToken(view, id, Number(expires_ms))
  if (untilMs !== null) return false
  const settings = getSettings(view)
  putSettings(view, { ...settings, version: settings.version + 1n })
  return true
}
