import { createHash } from 'node:crypto'
import { parseScope, type Scope, ScopeError } from '../auth/scope.ts'
import { limits } from '../base/limits.ts'
import { isSha256Text } from '../base/sha256-text.ts'
import type { VerifiedToken } from '../service/signed-tokens.ts'
import type { Claims, CompactToken } from './compact-token.ts'

/** What must be so for a token of our own keys to be good. */
export interface OwnExpectations {
  readonly issuer: string
  readonly audience: string
  readonly lifetimeMsMax: number
}

/** The same of an issuer elsewhere, and what its claims mean here. */
export interface OutsideExpectations {
  readonly issuer: string
  readonly audience: string
  readonly nameClaim: string
  readonly groupsClaim: string
  readonly groupsPrefix: string
}

/** Claims of our own, beside those of RFC 7519, RFC 8705 (cnf) and RFC 9068. */
export const ownClaims = {
  /** A list of verbs and ranges: `parseScope`. */
  scope: 'scope',
  /** Auth revision and id of the user when a member issued it. */
  revision: 'auth_revision',
  userId: 'user_id',
  /** Of whom is no user of the table. */
  groups: 'groups',
  /** Ids of the tokens that this one was derived from, nearest first. */
  ancestors: 'par',
} as const

const types: ReadonlySet<unknown> = new Set([undefined, 'JWT', 'jwt', 'at+jwt', 'application/at+jwt'])

/**
 * @param key thumbprint of the key that has signed it.
 * @returns null if the token is not good, for whatever reason: neither log nor caller should learn which.
 */
export function readOwnClaims(
  { header, payload }: CompactToken,
  key: string,
  expected: OwnExpectations,
  nowMs: number,
): VerifiedToken | null {
  const times = timesOf(payload, nowMs, expected.lifetimeMsMax)
  if (times === null || !isForUs(header, payload, expected)) return null
  const name = textOf(payload.get('sub'), limits.authNameBytesMax)
  const id = textOf(payload.get('jti'), limits.tokenIdBytesMax)
  const revision = countOf(payload.get(ownClaims.revision))
  const userId = countOf(payload.get(ownClaims.userId))
  const ancestors = textsOf(payload.get(ownClaims.ancestors) ?? [], limits.tokenAncestorsMax, limits.tokenIdBytesMax)
  const groups = payload.has(ownClaims.groups)
    ? textsOf(payload.get(ownClaims.groups), limits.callerGroupsMax, limits.authNameBytesMax)
    : undefined
  const certificate = certificateOf(payload)
  const scope = scopeOf(payload)
  if (name === null || id === null || id.includes(' ') || ancestors === null || groups === null) return null
  if (revision === null || userId === null || certificate === null || scope === null) return null
  // Who is no user has no id of one; and an id without the time of its issue could outlive a password.
  if (userId !== undefined && (groups !== undefined || revision === undefined)) return null
  return {
    ...times,
    key,
    isOurs: true,
    name,
    groups: groups ?? null,
    userId: userId ?? null,
    id,
    ancestors,
    revision: revision ?? null,
    scope: scope ?? null,
    certificate: certificate ?? null,
  }
}

/** The same of a token of an issuer elsewhere. A `scope` is that of its own services: it says nothing here. */
export function readOutsideClaims(
  { header, payload, signed }: CompactToken,
  key: string,
  expected: OutsideExpectations,
  nowMs: number,
): VerifiedToken | null {
  const times = timesOf(payload, nowMs, limits.outsideTokenLifetimeMsMax)
  if (times === null || !isForUs(header, payload, expected)) return null
  const name = textOf(payload.get(expected.nameClaim), limits.authNameBytesMax)
  const certificate = certificateOf(payload)
  const claimed = payload.get(expected.groupsClaim) ?? []
  const groups = textsOf(typeof claimed === 'string' ? [claimed] : claimed, limits.outsideGroupsMax, Infinity)
  const given = payload.has('jti') ? textOf(payload.get('jti'), limits.authTokenBytesMax) : undefined
  if (name === null || certificate === null || groups === null || given === null) return null
  return {
    ...times,
    key,
    isOurs: false,
    name,
    groups: groups
      .map((group) => expected.groupsPrefix + group)
      .filter((group) => Buffer.byteLength(group) <= limits.authNameBytesMax),
    userId: null,
    id: outsideId(expected.issuer, given ?? null, signed),
    ancestors: [],
    revision: null,
    scope: null,
    certificate: certificate ?? null,
  }
}

/** With the issuer, since others give ids, too; our own have no blank in them. */
function outsideId(issuer: string, given: string | null, signed: string): string {
  const id = `${issuer} ${given}`
  if (given !== null && Buffer.byteLength(id) <= limits.tokenIdBytesMax) return id
  return `sha256 ${createHash('sha256').update(signed).digest('base64url')}`
}

function isForUs(header: Claims, payload: Claims, expected: { readonly issuer: string; readonly audience: string }) {
  const audience = payload.get('aud')
  const isMeant = Array.isArray(audience) ? audience.includes(expected.audience) : audience === expected.audience
  return types.has(header.get('typ')) && payload.get('iss') === expected.issuer && isMeant
}

type Times = Pick<VerifiedToken, 'issuedMs' | 'notBeforeMs' | 'expiresMs'>

/** Clocks may differ a little about when a token begins; when it ends is not bargained about. */
function timesOf(payload: Claims, nowMs: number, lifetimeMsMax: number): Times | null {
  const issuedMs = dateMsOf(payload.get('iat'))
  const expiresMs = dateMsOf(payload.get('exp'))
  const notBeforeMs = payload.has('nbf') ? dateMsOf(payload.get('nbf')) : issuedMs
  if (issuedMs === null || expiresMs === null || notBeforeMs === null) return null
  const latestMs = nowMs + limits.tokenClockSkewMs
  if (issuedMs > latestMs || notBeforeMs > latestMs || expiresMs <= nowMs) return null
  if (expiresMs - issuedMs > lifetimeMsMax || expiresMs <= notBeforeMs) return null
  return { issuedMs, notBeforeMs, expiresMs }
}

/** RFC 7519, NumericDate: seconds, perhaps with a fraction. Whole milliseconds from 1. */
function dateMsOf(value: unknown): number | null {
  if (typeof value !== 'number') return null
  const ms = Math.floor(value * 1000)
  return Number.isSafeInteger(ms) && ms >= 1 ? ms : null
}

/** Undefined if there is none; null if it is no whole number from 1. */
function countOf(value: unknown): number | undefined | null {
  if (value === undefined) return undefined
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1 ? value : null
}

/** Halves of characters, which JSON can spell, would be taken for others as soon as they are bytes. */
const textOf = (value: unknown, bytesMax: number): string | null =>
  typeof value === 'string' && value !== '' && Buffer.byteLength(value) <= bytesMax && value.isWellFormed()
    ? value
    : null

function textsOf(value: unknown, countMax: number, bytesMax: number): string[] | null {
  if (!Array.isArray(value) || value.length > countMax) return null
  const texts = value.map((each) => textOf(each, bytesMax))
  return texts.every((text) => text !== null) ? texts : null
}

/** Undefined if the token says nothing of a certificate; null if it says what is not understood here. */
function certificateOf(payload: Claims): string | undefined | null {
  if (!payload.has('cnf')) return undefined
  const cnf = payload.get('cnf')
  if (typeof cnf !== 'object' || cnf === null) return null
  const [binding, ...others] = Object.entries(cnf)
  // One method, and the one that is looked at: a token bound in two ways must not pass for one.
  if (binding === undefined || others.length > 0 || binding[0] !== 'x5t#S256') return null
  const thumbprint: unknown = binding[1]
  return typeof thumbprint === 'string' && isSha256Text(thumbprint) ? thumbprint : null
}

function scopeOf(payload: Claims): Scope | undefined | null {
  if (!payload.has(ownClaims.scope)) return undefined
  try {
    return parseScope(payload.get(ownClaims.scope))
  } catch (error) {
    if (error instanceof ScopeError) return null
    throw error
  }
}
