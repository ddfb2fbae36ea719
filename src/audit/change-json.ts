import { rangeFromWire } from '../base/key-range.ts'
import { type Permission, Permission_Type } from '../wire/gen/auth.ts'
import type { AuthChange } from '../wire/gen/internal.ts'
import { rangeJson, textJson } from './render.ts'

type Change = NonNullable<AuthChange['change']>

/**
 * What a change of users, roles and permissions changes, as a field with a comma before it: names, never a password, its hash
 * or a token. What is not named here does not get in.
 */
export const changeJson = (change: Change): string => `,"change":{"what":"${change.$case}"${fieldsOf(change)}}`

function fieldsOf(change: Change): string {
  switch (change.$case) {
    case 'enable':
    case 'disable':
    case 'issue_token':
    case 'renew_token':
      return ''
    case 'add_user':
      return `${text('name', change.value.name)},"noPassword":${change.value.no_password}`
    case 'delete_user':
    case 'change_password':
    case 'add_role':
    case 'delete_role':
      return text('name', change.value.name)
    case 'grant_role':
    case 'revoke_role':
      return text('name', change.value.user) + text('role', change.value.role)
    case 'grant_permission':
      return text('role', change.value.role) + permission(change.value.permission, true)
    case 'revoke_permission':
      return text('role', change.value.role) + permission(change.value.permission, false)
    case 'revoke_token':
      return `,"token":"${Buffer.from(change.value.id).toString('hex')}"`
    case 'revoke_user_tokens':
      return text('name', change.value.user)
    case 'apply_policy': {
      const { put_roles, delete_roles, put_users, delete_users, put_groups, delete_groups } = change.value
      const named = (rows: readonly { readonly name: string }[]): string[] => rows.map(({ name }) => name)
      return (
        list('putRoles', named(put_roles)) +
        list('deleteRoles', delete_roles) +
        list('putUsers', named(put_users)) +
        list('deleteUsers', delete_users) +
        list('putGroups', named(put_groups)) +
        list('deleteGroups', delete_groups)
      )
    }
  }
}

/** Names are as long as those who may change them like. */
const namesShownMax = 1000
const nameLengthMax = 1024

const text = (field: string, value: string): string => `,"${field}":${textJson(value.slice(0, nameLengthMax))}`

function list(field: string, names: readonly string[]): string {
  if (names.length === 0) return ''
  const shown = names.slice(0, namesShownMax).map((name) => textJson(name.slice(0, nameLengthMax)))
  const more = names.length - shown.length
  return `,"${field}":[${shown.join()}]${more > 0 ? `,"${field}More":${more}` : ''}`
}

const kinds = new Map([
  [Permission_Type.READ, 'read'],
  [Permission_Type.WRITE, 'write'],
  [Permission_Type.READWRITE, 'readwrite'],
])

function permission(granted: Permission | undefined, hasKind: boolean): string {
  if (granted === undefined) return ''
  const { permType, key, range_end } = granted
  const kind = hasKind ? `,"permission":"${kinds.get(permType) ?? 'unknown'}"` : ''
  return `${kind},"range":${rangeJson(rangeFromWire(key, range_end))}`
}
