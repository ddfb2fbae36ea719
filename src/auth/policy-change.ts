import { EtcdError } from '../errors.ts'
import type { ReadView, WriteView } from '../mvcc/view.ts'
import type {
  AuthChange_ApplyPolicy,
  AuthChange_PolicyUser,
  AuthGroup,
  AuthRole,
  AuthSettings,
  AuthUser,
} from '../wire/gen/internal.ts'
import { isBuiltInRole, isReservedRoleName, rootName } from './built-in-roles.ts'
import { canAdminister, checkName, checkPermission, comparePermissions, isOfSameRange } from './checks.ts'
import {
  compareNames,
  getGroup,
  getRole,
  getUser,
  later,
  listGroups,
  listRoles,
  listUsers,
  putGroup,
  putRole,
  putUser,
  removeGroup,
  removeRole,
  removeUser,
} from './records.ts'

/** The tables after the change, as far as it has to do with them. */
interface Plan {
  readonly roles: ReadonlyMap<string, AuthRole>
  readonly users: ReadonlyMap<string, AuthUser>
  readonly groups: ReadonlyMap<string, AuthGroup>
  readonly lastUserId: bigint
}

/**
 * Makes the tables what a policy wants them to be, all of it or nothing: everything is checked before the first write.
 * Users keep their passwords; new ones have none yet.
 *
 * @param revision of this change.
 * @returns what changes in the settings.
 * @throws EtcdError authOldRevision if the tables are not those that the policy was compared with; the refusals of the
 *   single changes; invalidAuthManagement if nobody could administer the cluster any more.
 */
export function applyPolicy(
  view: WriteView,
  change: AuthChange_ApplyPolicy,
  settings: AuthSettings,
  revision: bigint,
): { readonly last_user_id: bigint; readonly countsForClients: true } {
  if (change.expected_revision !== settings.revision) throw new EtcdError('authOldRevision')
  const plan = planOf(view, change, settings, revision)
  checkReferences(plan)
  if (settings.enabled) checkAdministrators(plan)
  for (const name of change.delete_users) removeUser(view, getUser(view, name)!)
  for (const name of change.delete_roles) removeRole(view, name)
  for (const name of change.delete_groups) removeGroup(view, name)
  for (const { name } of change.put_roles) putRole(view, plan.roles.get(name)!)
  for (const { name } of change.put_users) putUser(view, plan.users.get(name)!)
  for (const { name } of change.put_groups) putGroup(view, plan.groups.get(name)!)
  return { last_user_id: plan.lastUserId, countsForClients: true }
}

function planOf(view: ReadView, change: AuthChange_ApplyPolicy, settings: AuthSettings, revision: bigint): Plan {
  refuseTwice([...change.put_roles.map(({ name }) => name), ...change.delete_roles])
  refuseTwice([...change.put_users.map(({ name }) => name), ...change.delete_users])
  refuseTwice([...change.put_groups.map(({ name }) => name), ...change.delete_groups])
  const roles = new Map(listRoles(view).map((role) => [role.name, role]))
  const users = new Map(listUsers(view).map((user) => [user.name, user]))
  const groups = new Map(listGroups(view).map((group) => [group.name, group]))
  for (const name of change.delete_roles) if (!roles.delete(name)) throw new EtcdError('roleNotFound')
  for (const name of change.delete_users) if (!users.delete(name)) throw new EtcdError('userNotFound')
  for (const name of change.delete_groups) {
    if (!groups.delete(name)) throw new EtcdError('invalidAuthManagement', { cause: 'no such group' })
  }
  for (const role of change.put_roles) roles.set(role.name, checkedRole(view, role))
  for (const group of change.put_groups) {
    if (getGroup(view, group.name) === null) checkName(group.name, 'userEmpty')
    groups.set(group.name, { name: group.name, roles: sortedNames(group.roles) })
  }
  let lastUserId = settings.last_user_id
  for (const wanted of change.put_users) {
    const before = getUser(view, wanted.name)
    if (before === null) {
      checkName(wanted.name, 'userEmpty')
      lastUserId++
    }
    users.set(wanted.name, userOf(wanted, before, { lastUserId, revision, nowMs: change.now_ms }))
  }
  return { roles, users, groups, lastUserId }
}

function checkedRole(view: ReadView, { name, permissions }: AuthRole): AuthRole {
  if (getRole(view, name) === null) {
    checkName(name, 'roleEmpty')
    if (isReservedRoleName(name)) throw new EtcdError('invalidAuthManagement', { cause: 'the name is reserved' })
  }
  for (const permission of permissions) checkPermission(permission)
  const sorted = [...permissions].sort(comparePermissions)
  const twice = sorted.some((each, at) => at > 0 && isOfSameRange(sorted[at - 1]!, each))
  if (twice) throw new EtcdError('invalidAuthManagement', { cause: 'two permissions of one range' })
  return { name, permissions: sorted }
}

/** Who stops using a password, or begins to, shows nothing that it had before. */
function userOf(
  { name, roles, no_password }: AuthChange_PolicyUser,
  before: AuthUser | null,
  fresh: { readonly lastUserId: bigint; readonly revision: bigint; readonly nowMs: bigint },
): AuthUser {
  const wanted = { name, no_password, roles: sortedNames(roles) }
  if (before !== null && before.no_password === no_password) return { ...before, ...wanted }
  const since = { tokens_since: fresh.revision, tokens_since_ms: later(before?.tokens_since_ms ?? 0n, fresh.nowMs) }
  return { ...wanted, ...since, id: before?.id ?? fresh.lastUserId, password_hash: '' }
}

/** No role is granted that is not there. */
function checkReferences({ roles, users, groups }: Plan): void {
  for (const holder of [...users.values(), ...groups.values()]) {
    for (const role of holder.roles) {
      if (!roles.has(role) && !isBuiltInRole(role)) throw new EtcdError('roleNotFound')
    }
  }
}

/** Somebody must be able to take back what this change does. */
function checkAdministrators({ users }: Plan): void {
  const root = users.get(rootName)
  if (root === undefined || !root.roles.includes(rootName) || ![...users.values()].some(canAdminister)) {
    throw new EtcdError('invalidAuthManagement', { cause: 'nobody could administer the cluster' })
  }
}

function refuseTwice(names: readonly string[]): void {
  if (new Set(names).size < names.length) throw new EtcdError('invalidAuthManagement', { cause: 'a name twice' })
}

const sortedNames = (names: readonly string[]): string[] => [...new Set(names)].sort(compareNames)
