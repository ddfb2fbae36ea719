import type { EtcdErrorReason } from '../../src/errors.ts'
import type { Rules } from './auth-model.ts'
import { keysOf, type WireRange } from './keys.ts'
import { builtInRoles, type Change, type Grant, type Policy, type Token, type User } from './rules.ts'

/** What is different afterwards; a reason for which it is refused; or null if all is like that already. */
export type Made = Partial<Rules> | EtcdErrorReason | null

/** @param by name of the user who asks; null: with auth off, anybody. */
export function makeChange(rules: Rules, change: Change, by: string | null): Made {
  const { enabled, users, roles, tokens } = rules
  const user = 'user' in change ? users.get(change.user) : undefined
  const role = 'role' in change ? roles.get(change.role) : undefined
  const revision = rules.revision + 1
  switch (change.kind) {
    case 'enable':
      if (enabled) return null
      if (!users.has('root')) return 'rootUserNotFound'
      // Not a revision, as in etcd.
      return users.get('root')!.roles.has('root') ? { enabled: true } : 'rootRoleNotGranted'
    case 'disable':
      return enabled ? { revision, enabled: false, tokens: new Map() } : null
    case 'addUser': {
      if (change.user === '') return 'userEmpty'
      if (user !== undefined) return 'userExists'
      const lastId = rules.lastId + 1
      const added = { id: lastId, password: change.password, roles: new Set<string>() }
      return { revision, lastId, users: new Map(users).set(change.user, added) }
    }
    case 'deleteUser':
      if (enabled && change.user === 'root') return 'invalidAuthManagement'
      if (user === undefined) return 'userNotFound'
      return { revision, users: omit(users, change.user), tokens: tokensWithout(tokens, user) }
    case 'changePassword': {
      if (user === undefined) return 'userNotFound'
      const password = user.password === null ? null : change.password
      return {
        ...{ revision, tokens: tokensWithout(tokens, user) },
        users: new Map(users).set(change.user, { ...user, password }),
      }
    }
    case 'grantRole': {
      if (user === undefined) return 'userNotFound'
      if (role === undefined && !builtInRoles.includes(change.role)) return 'roleNotFound'
      if (user.roles.has(change.role)) return null
      return { revision, users: new Map(users).set(change.user, withRoles(user, [...user.roles, change.role])) }
    }
    case 'revokeRole':
      if (enabled && change.user === 'root' && change.role === 'root') return 'invalidAuthManagement'
      if (user === undefined) return 'userNotFound'
      if (!user.roles.has(change.role)) return 'roleNotGranted'
      return { revision, users: new Map(users).set(change.user, withoutRole(user, change.role)) }
    case 'addRole':
      if (change.role === '') return 'roleEmpty'
      return role === undefined ? { revision, roles: new Map(roles).set(change.role, []) } : 'roleExists'
    case 'deleteRole':
      if (role === undefined) return 'roleNotFound'
      return {
        ...{ revision, roles: omit(roles, change.role) },
        users: new Map([...users].map(([name, each]) => [name, withoutRole(each, change.role)])),
      }
    case 'grantPermission': {
      if (keysOf(change.range).length === 0) return 'invalidAuthManagement'
      if (role === undefined) return 'roleNotFound'
      const granted = { range: change.range, as: change.as }
      return { revision, roles: new Map(roles).set(change.role, [...otherGrants(role, change.range), granted]) }
    }
    case 'revokePermission': {
      if (role === undefined) return 'roleNotFound'
      const others = otherGrants(role, change.range)
      return others.length === role.length
        ? 'permissionNotGranted'
        : { revision, roles: new Map(roles).set(change.role, others) }
    }
    case 'applyPolicy':
      return applyPolicy(rules, change.policy, by)
    case 'revokeUserTokens':
      if (!enabled) return 'authNotEnabled'
      return user === undefined ? 'userNotFound' : { revision, tokens: tokensWithout(tokens, user) }
    case 'revokeToken':
      if (!enabled) return 'authNotEnabled'
      return {
        tokens: new Map(
          [...tokens].filter(([number, { ancestors }]) => number !== change.token && !ancestors.includes(change.token)),
        ),
      }
  }
}

function applyPolicy(rules: Rules, policy: Policy, by: string | null): Made {
  if (policy.expectedRevision !== rules.revision) return 'authOldRevision'
  const put = new Map(policy.putUsers.map((user) => [user.user, user]))
  if (by !== null && (policy.deleteUsers.includes(by) || put.get(by)?.roles.includes('root') === false)) {
    return 'invalidAuthManagement'
  }
  if (policy.deleteRoles.some((role) => !rules.roles.has(role))) return 'roleNotFound'
  if (policy.deleteUsers.some((user) => !rules.users.has(user))) return 'userNotFound'
  const roles = new Map(rules.roles)
  for (const role of policy.deleteRoles) roles.delete(role)
  for (const { role, grants } of policy.putRoles) roles.set(role, grants)
  const users = new Map(rules.users)
  let { tokens, lastId } = rules
  for (const name of policy.deleteUsers) {
    tokens = tokensWithout(tokens, users.get(name)!)
    users.delete(name)
  }
  for (const { user: name, roles, noPassword } of policy.putUsers) {
    const before = users.get(name)
    if (before !== undefined && (before.password === null) === noPassword) {
      users.set(name, withRoles(before, roles))
      continue
    }
    // Whoever begins to use a password, or stops, begins anew.
    if (before !== undefined) tokens = tokensWithout(tokens, before)
    else lastId++
    users.set(name, { id: before?.id ?? lastId, password: noPassword ? null : '', roles: new Set(roles) })
  }
  const isThere = (role: string): boolean => roles.has(role) || builtInRoles.includes(role)
  if ([...users.values()].some((user) => ![...user.roles].every(isThere))) return 'roleNotFound'
  const canAct = [...users.values()].some((user) => user.roles.has('root') && user.password !== '')
  if (rules.enabled && (users.get('root')?.roles.has('root') !== true || !canAct)) return 'invalidAuthManagement'
  return { revision: rules.revision + 1, users, roles, tokens, lastId }
}

const otherGrants = (grants: readonly Grant[], { key, end }: WireRange): Grant[] =>
  grants.filter(({ range }) => range.key !== key || range.end !== end)

const withRoles = (user: User, roles: readonly string[]): User => ({ ...user, roles: new Set(roles) })

const withoutRole = (user: User, role: string): User =>
  withRoles(
    user,
    [...user.roles].filter((each) => each !== role),
  )

function omit<T>(rows: ReadonlyMap<string, T>, name: string): ReadonlyMap<string, T> {
  const rest = new Map(rows)
  rest.delete(name)
  return rest
}

const tokensWithout = (tokens: ReadonlyMap<number, Token>, { id }: User): ReadonlyMap<number, Token> =>
  new Map([...tokens].filter(([, { user }]) => user !== id))
