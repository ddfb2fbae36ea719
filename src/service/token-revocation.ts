import { changeJson } from '../audit/change-json.ts'
import type { Caller } from '../auth/caller.ts'
import { known, root } from '../auth/operation.ts'
import { limits } from '../base/limits.ts'
import { Code, EtcdError } from '../errors.ts'
import { AuthChange } from '../wire/gen/internal.ts'
import { TokenRevokeRequest } from '../wire/gen/leasehold.ts'
import { accessOf, admit } from './access.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import type { Member } from './member.ts'
import { proposeAndRespond } from './respond.ts'
import { revocationIdOf } from './signed-tokens.ts'
import { StatusError } from './status-error.ts'

/**
 * Ends a token, and all that were derived from it, on every member: the one that is shown, or any, if root asks; or all of
 * a user.
 *
 * @throws EtcdError authNotEnabled, permissionDenied, userNotFound; StatusError for a token that has no id.
 */
export async function tokenRevoke(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const { id, user, expires_ms } = decodeRequest(TokenRevokeRequest, bytes)
  if (id !== '' && user !== '') {
    throw new StatusError(Code.InvalidArgument, 'tokens: revoke one, or those of a user')
  }
  await member.readBarrier()
  if (!member.read((view) => accessOf(member).rules(view).enabled)) throw new EtcdError('authNotEnabled')
  const nowMs = Date.now()
  if (user !== '') {
    // Of tokens that say only the time of their issue, those of clocks that go ahead are meant, too.
    const value = { user, now_ms: BigInt(nowMs + limits.tokenClockSkewMs) }
    const caller = admit(member, call, () => root)
    return revoke(member, call, { $case: 'revoke_user_tokens', value }, caller)
  }
  const admitted = admit(member, call, () => known)
  const shown = accessOf(member).shown(call)?.signed ?? null
  if (id === '' && shown === null) {
    throw new StatusError(Code.InvalidArgument, 'tokens: what was shown is no token that can be revoked')
  }
  const isOwn = shown !== null && (id === '' || id === shown.id)
  const caller = isOwn ? admitted : admit(member, call, () => root)
  const forgetMs = isOwn ? shown.expiresMs : endOf(nowMs, Number(expires_ms))
  const value = {
    id: revocationIdOf(isOwn ? shown.id : id),
    // Its descendants end no later.
    expires_ms: BigInt(Math.ceil(forgetMs)),
    now_ms: BigInt(nowMs),
  }
  return revoke(member, call, { $case: 'revoke_token', value }, caller)
}

type Change = NonNullable<AuthChange['change']>

function revoke(member: Member, call: Call, change: Change, caller: Caller): Promise<Uint8Array> {
  call.audit?.detail(changeJson(change))
  return proposeAndRespond(member, call, 'auth', AuthChange.encode({ change }).finish(), caller)
}

/**
 * When a token that nobody has shown has ended.
 *
 * @param claimedMs 0: that is not known. No token lives longer than those of an outside issuer may.
 * @throws StatusError
 */
function endOf(nowMs: number, claimedMs: number): number {
  if (claimedMs !== 0 && claimedMs <= nowMs) {
    throw new StatusError(Code.InvalidArgument, 'tokens: expires_ms is in the past')
  }
  const latestMs = nowMs + limits.outsideTokenLifetimeMsMax + limits.tokenClockSkewMs
  return claimedMs === 0 ? latestMs : Math.min(claimedMs, latestMs)
}
