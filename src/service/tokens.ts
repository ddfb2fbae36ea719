import { issuedJson } from '../audit/issued-json.ts'
import type { Caller } from '../auth/caller.ts'
import { known, root } from '../auth/operation.ts'
import { parseScope, type Scope, ScopeError, scopeClaim, scopeCovers, scopeOf } from '../auth/scope.ts'
import { scopeEntryOfWire, wireOfScopeEntry } from '../auth/scope-wire.ts'
import { limits } from '../base/limits.ts'
import { isSha256Text } from '../base/sha256-text.ts'
import { Code, EtcdError } from '../errors.ts'
import type { ReadView } from '../mvcc/view.ts'
import {
  TokenIssueRequest,
  TokenIssueResponse,
  TokenKeysRequest,
  TokenKeysResponse,
  WhoAmIRequest,
  WhoAmIResponse,
  type ScopeEntry as WireScopeEntry,
} from '../wire/gen/leasehold.ts'
import { accessOf, requireAccess } from './access.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import type { Member } from './member.ts'
import { knownRevision, recordFirst, respond } from './respond.ts'
import { type NewToken, revocationIdOf, type TokenKeys } from './signed-tokens.ts'
import { StatusError } from './status-error.ts'
import type { ShownToken } from './token-kind.ts'

/** Tokens that can do less than their user; ending them is in `token-revocation.ts`. */

/**
 * A token for the caller, as wide and as long as what it showed, or less; for another user, if root asks. It goes with the
 * token that it was derived from: when that is revoked, and no later than it ends.
 *
 * @throws EtcdError authNotEnabled, permissionDenied for more than the caller has, userNotFound; StatusError for a request that
 *   makes no token.
 */
export async function tokenIssue(member: Member, bytes: Uint8Array, call: Call): Promise<Uint8Array> {
  const request = decodeRequest(TokenIssueRequest, bytes)
  await member.readBarrier()
  const token = member.read((view) => newToken(member, view, call, request))
  const signed = await requireKeys(member).sign(token)
  if (signed === null) throw noKey()
  if (signed.token.length > limits.authTokenBytesMax) {
    throw new StatusError(Code.InvalidArgument, 'tokens: it would be longer than any that is taken')
  }
  call.audit?.detail(issuedJson({ ...token, id: revocationIdOf(signed.id) }))
  await recordFirst(call)
  const expires_ms = BigInt(token.expiresMs)
  const body = TokenIssueResponse.encode({ header: undefined, ...signed, expires_ms }).finish()
  return respond(member, knownRevision(member), body)
}

const noKey = (): StatusError => new StatusError(Code.FailedPrecondition, 'tokens: this member has no key to sign with')

/** @throws StatusError */
function requireKeys(member: Member): TokenKeys {
  const { keys } = accessOf(member)
  if (keys === null) throw noKey()
  return keys
}

function newToken(member: Member, view: ReadView, call: Call, request: TokenIssueRequest): NewToken {
  const access = accessOf(member)
  const rules = access.rules(view)
  if (!rules.enabled) throw new EtcdError('authNotEnabled')
  const caller = requireAccess(member, view, call, () => known)
  const own = subjectOf(member, view, caller)
  const isOwn = request.user === '' || (own.userId !== null && request.user === own.name)
  if (!isOwn) requireAccess(member, view, call, () => root)
  const shown = access.shown(call)
  const parent = shown?.signed ?? null
  const ancestors = parent === null ? [] : [parent.id, ...parent.ancestors]
  if (ancestors.length > limits.tokenAncestorsMax) {
    throw new StatusError(Code.FailedPrecondition, 'tokens: this one is too far from the first to make another of it')
  }
  const asked = request.scope.length === 0 ? null : askedScope(request.scope)
  return {
    ...(isOwn ? own : userNamed(member, view, request.user)),
    revision: Number(rules.revision),
    ancestors,
    scope: isOwn ? narrowed(scopeOfCaller(caller), asked) : asked,
    certificate: bindingOf(request, call, isOwn ? (parent?.certificate ?? null) : null),
    expiresMs: endOf(request.ttl_seconds, shownUntilMs(call, shown), requireKeys(member).lifetimeMsMax),
  }
}

type Subject = Pick<NewToken, 'name' | 'groups' | 'userId'>

function subjectOf(member: Member, view: ReadView, caller: Caller): Subject {
  if (caller.kind === 'groups') return { name: caller.name, groups: caller.groups, userId: null }
  const rights = caller.kind === 'user' ? accessOf(member).rules(view).user(view, caller.id) : null
  if (caller.kind !== 'user' || rights === null) throw new EtcdError('permissionDenied')
  return { name: rights.user.name, groups: null, userId: caller.id }
}

function userNamed(member: Member, view: ReadView, name: string): Subject {
  const rights = accessOf(member).rules(view).userNamed(view, name)
  if (rights === null) throw new EtcdError('userNotFound')
  return { name, groups: null, userId: Number(rights.user.id) }
}

const scopeOfCaller = (caller: Caller): Scope | null =>
  caller.kind === 'user' || caller.kind === 'groups' ? caller.scope : null

function narrowed(outer: Scope | null, asked: Scope | null): Scope | null {
  if (asked === null) return outer
  if (outer !== null && !scopeCovers(outer, asked)) throw new EtcdError('permissionDenied', { cause: 'a wider scope' })
  return asked
}

function askedScope(entries: readonly WireScopeEntry[]): Scope {
  try {
    // By the reading of the claim that it becomes: a token that nobody takes is of no use.
    return parseScope(scopeClaim(scopeOf(entries.map(scopeEntryOfWire))))
  } catch (error) {
    if (error instanceof ScopeError) throw new StatusError(Code.InvalidArgument, `tokens: ${error.message}`)
    throw error
  }
}

/** @param bound to which the caller's own token is: what comes of it is not to be had by others. */
function bindingOf(request: TokenIssueRequest, { credentials }: Call, bound: string | null): string | null {
  const given = request.certificate_sha256
  if (given !== '' && !isSha256Text(given)) {
    throw new StatusError(Code.InvalidArgument, 'tokens: certificate_sha256 is not base64url of 32 bytes')
  }
  const presented = credentials === 'member' ? null : credentials.certificateSha256
  if (request.bind_to_certificate && presented === null) {
    throw new StatusError(Code.FailedPrecondition, 'tokens: there is no client certificate to bind one to')
  }
  const wanted = given !== '' ? given : request.bind_to_certificate ? presented : null
  if (given !== '' && request.bind_to_certificate && given !== presented) {
    throw new StatusError(Code.InvalidArgument, 'tokens: one token is bound to one certificate')
  }
  if (bound !== null && wanted !== null && wanted !== bound) {
    throw new EtcdError('permissionDenied', { cause: 'bound to another certificate' })
  }
  return wanted ?? bound
}

/** When what the caller showed of itself ends, a token or a certificate; null: not by itself. */
const shownUntilMs = ({ credentials }: Call, shown: ShownToken | null): number | null =>
  shown === null && credentials !== 'member' ? credentials.certificateExpiresMs : (shown?.expiresMs ?? null)

/** In whole seconds, as tokens have it. @throws EtcdError invalidAuthToken if that is over at once. */
function endOf(ttlSeconds: bigint, shownUntilMs: number | null, lifetimeMsMax: number): number {
  const now = Date.now()
  const wantedMs = ttlSeconds === 0n ? lifetimeMsMax : Math.min(Number(ttlSeconds) * 1000, lifetimeMsMax)
  const endMs = Math.min(now + wantedMs, shownUntilMs ?? Number.POSITIVE_INFINITY)
  const expiresMs = Math.floor(endMs / 1000) * 1000
  if (expiresMs <= now) throw new EtcdError('invalidAuthToken', { cause: 'it would be over at once' })
  return expiresMs
}

/** The keys with which others can verify the cluster's tokens. They are public, and everybody may have them. */
export function tokenKeys(member: Member, bytes: Uint8Array): Uint8Array {
  decodeRequest(TokenKeysRequest, bytes)
  const jwks = accessOf(member).keys?.published() ?? '{"keys":[]}'
  return respond(member, knownRevision(member), TokenKeysResponse.encode({ header: undefined, jwks }).finish())
}

/** Who the caller is taken for, and what its token says. Nobody, while auth is off. */
export function whoAmI(member: Member, bytes: Uint8Array, call: Call): Uint8Array {
  decodeRequest(WhoAmIRequest, bytes)
  return member.read((view) => {
    const caller = requireAccess(member, view, call, () => known)
    const rules = accessOf(member).rules(view)
    const isKnown = caller.kind === 'user' || caller.kind === 'groups'
    const rights =
      caller.kind === 'user'
        ? rules.user(view, caller.id)
        : caller.kind === 'groups'
          ? rules.groups(view, caller.groups)
          : null
    const shown = isKnown ? accessOf(member).shown(call) : null
    const scope = scopeOfCaller(caller)
    const body = WhoAmIResponse.encode({
      header: undefined,
      user: caller.kind === 'groups' ? caller.name : (rights?.user?.name ?? ''),
      groups: caller.kind === 'groups' ? [...caller.groups] : [],
      roles: [...(rights?.roles ?? [])],
      is_scoped: scope !== null,
      scope: scope === null ? [] : scope.entries.map(wireOfScopeEntry),
      token_id: shown?.signed?.id ?? '',
      expires_ms: BigInt(shown?.expiresMs ?? 0),
      certificate_name: (call.credentials !== 'member' && call.credentials.certificateName) || '',
    }).finish()
    return respond(member, knownRevision(member), body)
  })
}
