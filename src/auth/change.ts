import { EtcdError } from '../errors.ts'
import type { ReadView, WriteView } from '../mvcc/view.ts'
import type {
  AuthChange,
  AuthChange_AddUser,
  AuthChange_ChangePassword,
  AuthChange_Disable,
  AuthChange_RevokeUserTokens,
  AuthChange_RolePermission,
  AuthChange_UserRole,
  AuthGroup,
  AuthRole,
  AuthSettings,
  AuthUser,
} from '../wire/gen/internal.ts'
import { isBuiltInRole, isReservedRoleName, rootName } from './built-in-roles.ts'
import { canAdminister, checkName, checkPermission, comparePermissions, isOfSameRange } from './checks.ts'
import { applyPolicy } from './policy-change.ts'
import {
  compareNames,
  getRole,
  getSettings,
  getUser,
  later,
  listGroups,
  listUsers,
  putGroup,
  putRole,
  putSettings,
  putUser,
  removeRole,
  removeUser,
} from './records.ts'

/** A change of users, roles or permissions; tokens are another matter. */
export type RuleChange = Exclude<
  NonNullable<AuthChange['change']>,
  { $case: 'issue_token' | 'renew_token' | 'revoke_token' }
>

/** What a change does to the settings, beside counting. */
type Made = Partial<AuthSettings> & {
  /** Whether clients are shown another revision. */
  readonly countsForClients: boolean
}

const counted: Made = { countsForClients: true }

/**
 * Carries out one change. All checks come before the first write.
 *
 * @returns whether anything is different now.
 * @throws EtcdError the refusal, in etcd's words.
 * @source etcd auth/store.go, for what is refused, in which order, and what counts as a revision.
 */
export function changeRules(view: WriteView, change: RuleChange): boolean {
  const settings = getSettings(view)
  const next = settings.revision + 1n
  const made = make(view, change, settings, next)
  if (made === null) return false
  const { countsForClients, ...rest } = made
  const revision = countsForClients ? next : settings.revision
  putSettings(view, { ...settings, ...rest, version: settings.version + 1n, revision })
  return true
}

/**
 * @param revision of this change, if it counts as one for clients.
 * @returns null if everything is like that already.
 */
function make(view: WriteView, change: RuleChange, settings: AuthSettings, revision: bigint): Made | null {
  switch (change.$case) {
    case 'enable':
      return enable(view, settings)
    case 'disable':
      return disable(change.value, settings, revision)
    case 'add_user':
      return addUser(view, change.value, settings, revision)
    case 'delete_user':
      return deleteUser(view, change.value.name, settings)
    case 'change_password':
      return changePassword(view, change.value, revision)
    case 'grant_role':
      return grantRole(view, change.value)
    case 'revoke_role':
      return revokeRole(view, change.value, settings)
    case 'add_role':
      return addRole(view, change.value.name)
    case 'delete_role':
      return deleteRole(view, change.value.name, settings)
    case 'grant_permission':
      return grantPermission(view, change.value)
    case 'revoke_permission':
      return revokePermission(view, change.value)
    case 'revoke_user_tokens':
      return revokeUserTokens(view, change.value, revision)
    case 'apply_policy':
      return applyPolicy(view, change.value, settings, revision)
  }
}

/** Not a revision for clients, as in etcd. */
function enable(view: ReadView, { enabled }: AuthSettings): Made | null {
  if (enabled) return null
  const user = getUser(view, rootName)
  if (user === null) throw new EtcdError('rootUserNotFound')
  if (!user.roles.includes(rootName)) throw new EtcdError('rootRoleNotGranted')
  // Policies add users that have no password yet.
  if (!listUsers(view).some(canAdminister)) {
    throw new EtcdError('invalidAuthManagement', { cause: 'nobody could administer the cluster' })
  }
  return { enabled: true, countsForClients: false }
}

/** Ends all tokens, of whatever kind. */
function disable({ now_ms }: AuthChange_Disable, settings: AuthSettings, revision: bigint): Made | null {
  if (!settings.enabled) return null
  const tokens_since_ms = later(settings.tokens_since_ms, now_ms)
  return { enabled: false, tokens_since: revision, tokens_since_ms, countsForClients: true }
}

function addUser(view: WriteView, added: AuthChange_AddUser, settings: AuthSettings, revision: bigint): Made {
  const { name, password_hash, no_password, now_ms } = added
  checkName(name, 'userEmpty')
  if (getUser(view, name) !== null) throw new EtcdError('userExists')
  const id = settings.last_user_id + 1n
  const since = { tokens_since: revision, tokens_since_ms: now_ms }
  putUser(view, { id, name, password_hash, no_password, roles: [], ...since })
  return { last_user_id: id, countsForClients: true }
}

function deleteUser(view: WriteView, name: string, { enabled }: AuthSettings): Made {
  if (enabled && name === rootName) throw new EtcdError('invalidAuthManagement')
  const user = requireUser(view, name)
  if (enabled) refuseLastAdministrator(view, user)
  removeUser(view, user)
  return counted
}

/** The user root cannot go, but one that a policy added may have no password yet. */
function refuseLastAdministrator(view: ReadView, { name }: AuthUser): void {
  const admins = listUsers(view).filter(canAdminister)
  if (admins.length === 1 && admins[0]?.name === name) {
    throw new EtcdError('invalidAuthManagement', { cause: 'nobody could administer the cluster' })
  }
}

function changePassword(view: WriteView, changed: AuthChange_ChangePassword, revision: bigint): Made {
  const user = requireUser(view, changed.name)
  // Who logs in without one goes on doing so, as in etcd.
  const password_hash = user.no_password ? '' : changed.password_hash
  const tokens_since_ms = later(user.tokens_since_ms, changed.now_ms)
  putUser(view, { ...user, password_hash, tokens_since: revision, tokens_since_ms })
  return counted
}

/** Whoever logs in after this gets good ones. */
function revokeUserTokens(view: WriteView, revoked: AuthChange_RevokeUserTokens, revision: bigint): Made {
  const user = requireUser(view, revoked.user)
  const tokens_since_ms = later(user.tokens_since_ms, revoked.now_ms)
  putUser(view, { ...user, tokens_since: revision, tokens_since_ms })
  return counted
}

function grantRole(view: WriteView, granted: AuthChange_UserRole): Made | null {
  const user = requireUser(view, granted.user)
  if (!isBuiltInRole(granted.role)) requireRole(view, granted.role)
  if (user.roles.includes(granted.role)) return null
  putUser(view, { ...user, roles: [...user.roles, granted.role].sort(compareNames) })
  return counted
}

function revokeRole(view: WriteView, revoked: AuthChange_UserRole, { enabled }: AuthSettings): Made {
  if (enabled && revoked.user === rootName && revoked.role === rootName) throw new EtcdError('invalidAuthManagement')
  const user = requireUser(view, revoked.user)
  if (!user.roles.includes(revoked.role)) throw new EtcdError('roleNotGranted')
  if (enabled && revoked.role === rootName) refuseLastAdministrator(view, user)
  putUser(view, withoutRole(user, revoked.role))
  return counted
}

function addRole(view: WriteView, name: string): Made {
  checkName(name, 'roleEmpty')
  if (isReservedRoleName(name)) throw new EtcdError('invalidAuthManagement', { cause: 'the name is reserved' })
  if (getRole(view, name) !== null) throw new EtcdError('roleExists')
  putRole(view, { name, permissions: [] })
  return counted
}

function deleteRole(view: WriteView, name: string, { enabled }: AuthSettings): Made {
  if (enabled && name === rootName) throw new EtcdError('invalidAuthManagement')
  requireRole(view, name)
  removeRole(view, name)
  for (const user of listUsers(view)) if (user.roles.includes(name)) putUser(view, withoutRole(user, name))
  // Else its members would have whatever is called so next.
  for (const group of listGroups(view)) if (group.roles.includes(name)) putGroup(view, withoutRole(group, name))
  return counted
}

function grantPermission(view: WriteView, { role: name, permission }: AuthChange_RolePermission): Made {
  if (permission === undefined) throw new EtcdError('permissionNotGiven')
  checkPermission(permission)
  const role = requireRole(view, name)
  const others = role.permissions.filter((each) => !isOfSameRange(each, permission))
  putRole(view, { name, permissions: [...others, permission].sort(comparePermissions) })
  return counted
}

function revokePermission(view: WriteView, { role: name, permission }: AuthChange_RolePermission): Made {
  const role = requireRole(view, name)
  if (permission === undefined) throw new EtcdError('permissionNotGranted')
  const permissions = role.permissions.filter((each) => !isOfSameRange(each, permission))
  if (permissions.length === role.permissions.length) throw new EtcdError('permissionNotGranted')
  putRole(view, { name, permissions })
  return counted
}

function requireUser(view: ReadView, name: string): AuthUser {
  const user = getUser(view, name)
  if (user === null) throw new EtcdError('userNotFound')
  return user
}

function requireRole(view: ReadView, name: string): AuthRole {
  const role = getRole(view, name)
  if (role === null) throw new EtcdError('roleNotFound')
  return role
}

const withoutRole = <T extends AuthUser | AuthGroup>(holder: T, name: string): T => ({
  ...holder,
  roles: holder.roles.filter((role) => role !== name),
})
