import { AccessRules } from '../../src/auth/access-rules.ts'
import { type Caller, memberCaller, type TokenMark } from '../../src/auth/caller.ts'
import { changeRules, type RuleChange } from '../../src/auth/change.ts'
import { getUser } from '../../src/auth/records.ts'
import type { ReadView, WriteView } from '../../src/mvcc/view.ts'
import { Permission_Type } from '../../src/wire/gen/auth.ts'
import { AuthChange } from '../../src/wire/gen/internal.ts'
import { NaiveView } from './naive-view.ts'

export const encodeChange = (change: NonNullable<AuthChange['change']>): Uint8Array =>
  AuthChange.encode({ change }).finish()

export const addUser = (name: string, password_hash = 'hash'): RuleChange => ({
  $case: 'add_user',
  value: { name, password_hash, no_password: false, now_ms: 1n },
})
export const addRole = (name: string): RuleChange => ({ $case: 'add_role', value: { name } })
export const grantRole = (user: string, role: string): RuleChange => ({ $case: 'grant_role', value: { user, role } })
export const revokeRole = (user: string, role: string): RuleChange => ({ $case: 'revoke_role', value: { user, role } })
export const enable: RuleChange = { $case: 'enable', value: {} }
export const disable: RuleChange = { $case: 'disable', value: { now_ms: 1n } }

export type Kind = 'read' | 'write' | 'readwrite'
const kinds = { read: Permission_Type.READ, write: Permission_Type.WRITE, readwrite: Permission_Type.READWRITE }

/** `a` is one key, `a,c` a range, `a,` from a key to the end. */
export function permission(kind: Kind, keys: string) {
  const [key, end] = keys.split(',')
  const range_end = end === undefined ? Buffer.alloc(0) : end === '' ? Buffer.of(0) : Buffer.from(end)
  return { permType: kinds[kind], key: Buffer.from(key!), range_end }
}
export const grant = (role: string, kind: Kind, keys: string): RuleChange => ({
  $case: 'grant_permission',
  value: { role, permission: permission(kind, keys) },
})
export const revoke = (role: string, keys: string): RuleChange => ({
  $case: 'revoke_permission',
  value: { role, permission: permission('read', keys) },
})

/** What makes auth ready to be enabled. */
export const withRoot: readonly RuleChange[] = [addUser('root'), grantRole('root', 'root')]

/** Changes that give a user a role of its own with these permissions: `read a`, `write a,c`. */
export function userWith(name: string, ...permissions: string[]): RuleChange[] {
  const grants = permissions.map((text) => {
    const [kind, keys] = text.split(' ')
    return grant(name, kind as Kind, keys!)
  })
  return [addUser(name), addRole(name), ...grants, grantRole(name, name)]
}

export function changeAll(view: WriteView, changes: readonly RuleChange[]): void {
  for (const change of changes) changeRules(view, change)
}

/** Tables in which auth is on, with these changes made, and who may what in them. */
export function rulesWith(...changes: readonly RuleChange[]): { view: NaiveView; rules: AccessRules } {
  const view = new NaiveView()
  changeAll(view, [...withRoot, ...changes, enable])
  return { view, rules: new AccessRules().at(view) }
}

/** A token as a login gives it at that revision; null: there is none. */
export const markAt = (revision: number | null): TokenMark | null =>
  revision === null ? null : { revision, issuedMs: 0, ids: [] }

/** A user as its certificate shows it, or with a token of that revision. */
export function userCaller(view: ReadView, name: string, tokenRevision: number | null = null): Caller {
  const user = getUser(view, name)
  if (user === null) throw new Error(`no user ${name}`)
  return { kind: 'user', id: Number(user.id), token: markAt(tokenRevision), scope: null }
}

export { memberCaller }
