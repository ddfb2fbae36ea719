import { compareBytes, concatBytes, utf8 } from '../base/bytes.ts'
import { limits } from '../base/limits.ts'
import { getUint64, putUint64 } from '../mvcc/uint.ts'
import type { ReadView, WriteView } from '../mvcc/view.ts'
import { AuthGroup, AuthRole, AuthSettings, AuthToken, AuthUser } from '../wire/gen/internal.ts'

/**
 * Rows of the `auth` table, by the first byte of their keys:
 *
 *     s  settings: one row
 *     u  user name -> AuthUser
 *     i  user id (8 bytes) -> user name
 *     r  role name -> AuthRole
 *     g  group name -> AuthGroup
 *     v  id of a revoked token -> when it would have expired (8 bytes, ms)
 *     w  the same time (8 bytes, ms) + its id -> nothing
 *     t  hash of a token -> AuthToken
 *     x  when a token expires (8 bytes, ms) + its hash -> nothing
 */
const settingsKey = utf8('s')
const prefixed = (letter: string, rest: Uint8Array): Uint8Array => concatBytes(utf8(letter), rest)
const userKey = (name: string): Uint8Array => prefixed('u', utf8(name))
const userIdKey = (id: number): Uint8Array => prefixed('i', uint64(id))
const roleKey = (name: string): Uint8Array => prefixed('r', utf8(name))
const groupKey = (name: string): Uint8Array => prefixed('g', utf8(name))
const revokedKey = (id: Uint8Array): Uint8Array => prefixed('v', id)
const forgottenKey = (expiresMs: number, id: Uint8Array): Uint8Array =>
  prefixed('w', concatBytes(uint64(expiresMs), id))
const tokenKey = (hash: Uint8Array): Uint8Array => prefixed('t', hash)
const expiryKey = (expiresMs: number, hash: Uint8Array): Uint8Array =>
  prefixed('x', concatBytes(uint64(expiresMs), hash))

function uint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8)
  putUint64(bytes, 0, value)
  return bytes
}

/** Longer names cannot be table keys: there is no user or role of such a name. */
export const isNameTooLong = (name: string): boolean => Buffer.byteLength(name) > limits.authNameBytesMax

/** Before the first change. The revision is what etcd's clients are shown of a fresh cluster. */
export const freshSettings: AuthSettings = {
  enabled: false,
  revision: 1n,
  version: 0n,
  last_user_id: 0n,
  tokens_since: 0n,
  tokens_since_ms: 0n,
}

/** What was made void once stays so, whatever the clocks say that come after. */
export const later = (a: bigint, b: bigint): bigint => (a > b ? a : b)

/** The encoded settings; undefined before the first change. Equal bytes stand for equal users and roles. */
export const settingsBytes = (view: ReadView): Uint8Array | undefined => view.get('auth', settingsKey)

export function getSettings(view: ReadView): AuthSettings {
  const bytes = settingsBytes(view)
  return bytes === undefined ? freshSettings : AuthSettings.decode(bytes)
}
export const putSettings = (view: WriteView, settings: AuthSettings): void =>
  view.put('auth', settingsKey, AuthSettings.encode(settings).finish())

export function getUser(view: ReadView, name: string): AuthUser | null {
  const bytes = isNameTooLong(name) ? undefined : view.get('auth', userKey(name))
  return bytes === undefined ? null : AuthUser.decode(bytes)
}

export function getUserById(view: ReadView, id: number): AuthUser | null {
  const name = view.get('auth', userIdKey(id))
  return name === undefined ? null : getUser(view, Buffer.from(name).toString('utf8'))
}

export function putUser(view: WriteView, user: AuthUser): void {
  view.put('auth', userKey(user.name), AuthUser.encode(user).finish())
  view.put('auth', userIdKey(Number(user.id)), utf8(user.name))
}

export function removeUser(view: WriteView, user: AuthUser): void {
  view.remove('auth', userKey(user.name))
  view.remove('auth', userIdKey(Number(user.id)))
}

/** In order of their names, as bytes. */
export const listUsers = (view: ReadView): AuthUser[] => rowsOf(view, 'u').map(([, bytes]) => AuthUser.decode(bytes))

export function getRole(view: ReadView, name: string): AuthRole | null {
  const bytes = isNameTooLong(name) ? undefined : view.get('auth', roleKey(name))
  return bytes === undefined ? null : AuthRole.decode(bytes)
}
export const putRole = (view: WriteView, role: AuthRole): void =>
  view.put('auth', roleKey(role.name), AuthRole.encode(role).finish())
export const removeRole = (view: WriteView, name: string): void => view.remove('auth', roleKey(name))

/** In order of their names, as bytes. */
export const listRoles = (view: ReadView): AuthRole[] => rowsOf(view, 'r').map(([, bytes]) => AuthRole.decode(bytes))

export function getGroup(view: ReadView, name: string): AuthGroup | null {
  const bytes = isNameTooLong(name) ? undefined : view.get('auth', groupKey(name))
  return bytes === undefined ? null : AuthGroup.decode(bytes)
}
export const putGroup = (view: WriteView, group: AuthGroup): void =>
  view.put('auth', groupKey(group.name), AuthGroup.encode(group).finish())
export const removeGroup = (view: WriteView, name: string): void => view.remove('auth', groupKey(name))

/** In order of their names, as bytes. */
export const listGroups = (view: ReadView): AuthGroup[] => rowsOf(view, 'g').map(([, bytes]) => AuthGroup.decode(bytes))

/** When the revoked token will have expired; null: it is not revoked. */
export function getRevokedUntilMs(view: ReadView, id: Uint8Array): number | null {
  const bytes = view.get('auth', revokedKey(id))
  return bytes === undefined ? null : getUint64(bytes, 0)
}

export const isTokenRevoked = (view: ReadView, id: Uint8Array): boolean =>
  view.get('auth', revokedKey(id)) !== undefined

export function putRevokedToken(view: WriteView, id: Uint8Array, expiresMs: number): void {
  const before = view.get('auth', revokedKey(id))
  if (before !== undefined) view.remove('auth', forgottenKey(getUint64(before, 0), id))
  view.put('auth', revokedKey(id), uint64(expiresMs))
  view.put('auth', forgottenKey(expiresMs, id), noBytes)
}

/** Forgets at most `limit` revoked tokens that expired before `nowMs`. */
export function removeExpiredRevocations(view: WriteView, nowMs: number, limit: number): void {
  for (const [row, id] of expiredRows(view, 'w', nowMs, limit)) {
    view.remove('auth', row)
    view.remove('auth', revokedKey(id))
  }
}

export function getToken(view: ReadView, hash: Uint8Array): AuthToken | null {
  const bytes = view.get('auth', tokenKey(hash))
  return bytes === undefined ? null : AuthToken.decode(bytes)
}

/** In place of the row that the token had. */
export function putToken(view: WriteView, hash: Uint8Array, token: AuthToken): void {
  removeToken(view, hash)
  view.put('auth', tokenKey(hash), AuthToken.encode(token).finish())
  view.put('auth', expiryKey(Number(token.expires_ms), hash), noBytes)
}

function removeToken(view: WriteView, hash: Uint8Array): void {
  const token = getToken(view, hash)
  if (token === null) return
  view.remove('auth', tokenKey(hash))
  view.remove('auth', expiryKey(Number(token.expires_ms), hash))
}

/** Removes tokens that expired before `nowMs`, at most `limit`. */
export function removeExpiredTokens(view: WriteView, nowMs: number, limit: number): void {
  for (const [, hash] of expiredRows(view, 'x', nowMs, limit)) removeToken(view, hash)
}

/** Rows of a letter, a time of 8 bytes and a name, with the name, of times before `nowMs`; at most `limit`. */
function expiredRows(view: ReadView, letter: string, nowMs: number, limit: number): [Uint8Array, Uint8Array][] {
  const rows: [Uint8Array, Uint8Array][] = []
  for (const [row] of view.scan('auth', { start: utf8(letter), end: prefixed(letter, uint64(nowMs)) })) {
    const copy = Uint8Array.from(row)
    rows.push([copy, copy.subarray(9)])
    if (rows.length === limit) break
  }
  return rows
}

const noBytes = new Uint8Array(0)

function rowsOf(view: ReadView, letter: string): (readonly [Uint8Array, Uint8Array])[] {
  const end = utf8(String.fromCharCode(letter.charCodeAt(0) + 1))
  return [...view.scan('auth', { start: utf8(letter), end })]
}

/** Names in the order in which etcd keeps and shows them. */
export const compareNames = (a: string, b: string): number => compareBytes(utf8(a), utf8(b))
