import { compareBytes, concatBytes, utf8 } from '../base/bytes.ts'
import { limits } from '../base/limits.ts'
import { putUint64 } from '../mvcc/uint.ts'
import type { ReadView, WriteView } from '../mvcc/view.ts'
import { AuthRole, AuthSettings, AuthToken, AuthUser } from '../wire/gen/internal.ts'

/**
 * Rows of the `auth` table, by the first byte of their keys:
 *
 *     s  settings: one row
 *     u  user name -> AuthUser
 *     i  user id (8 bytes) -> user name
 *     r  role name -> AuthRole
 *     t  hash of a token -> AuthToken
 *     x  when a token expires (8 bytes, ms) + its hash -> nothing
 */
const settingsKey = utf8('s')
const prefixed = (letter: string, rest: Uint8Array): Uint8Array => concatBytes(utf8(letter), rest)
const userKey = (name: string): Uint8Array => prefixed('u', utf8(name))
const userIdKey = (id: number): Uint8Array => prefixed('i', uint64(id))
const roleKey = (name: string): Uint8Array => prefixed('r', utf8(name))
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
}

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
  const hashes: Uint8Array[] = []
  for (const [row] of view.scan('auth', { start: utf8('x'), end: expiryKey(nowMs, new Uint8Array(0)) })) {
    hashes.push(Uint8Array.from(row.subarray(9)))
    if (hashes.length === limit) break
  }
  for (const hash of hashes) removeToken(view, hash)
}

const noBytes = new Uint8Array(0)

function rowsOf(view: ReadView, letter: string): (readonly [Uint8Array, Uint8Array])[] {
  const end = utf8(String.fromCharCode(letter.charCodeAt(0) + 1))
  return [...view.scan('auth', { start: utf8(letter), end })]
}

/** Names in the order in which etcd keeps and shows them. */
export const compareNames = (a: string, b: string): number => compareBytes(utf8(a), utf8(b))
