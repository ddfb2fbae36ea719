import { rootName } from '../auth/built-in-roles.ts'
import type { Caller } from '../auth/caller.ts'
import { canAdminister } from '../auth/checks.ts'
import { getGroup, getUserById, listUsers } from '../auth/records.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { PolicyApplyRequest } from '../wire/gen/leasehold.ts'

type Rows = Pick<PolicyApplyRequest, 'put_users' | 'delete_users' | 'put_groups' | 'delete_groups'>

/**
 * Whether a caller with the role root would not have it any more after a change: whoever takes it from itself could not
 * take that back.
 */
export function losesRoot(view: ReadView, caller: Caller, rows: Rows): boolean {
  if (caller.kind === 'user') {
    const name = getUserById(view, caller.id)?.name
    if (name === undefined || rows.delete_users.includes(name)) return true
    const put = rows.put_users.find((user) => user.name === name)
    return put !== undefined && !put.roles.includes(rootName)
  }
  if (caller.kind !== 'groups') return false
  return !caller.groups.some((name) => {
    if (rows.delete_groups.includes(name)) return false
    const roles = rows.put_groups.find((group) => group.name === name)?.roles ?? getGroup(view, name)?.roles
    return roles?.includes(rootName) === true
  })
}

/**
 * Whether a change takes the last password from those with the role root, by somebody who has not shown that it goes without:
 * members need not take names from certificates, nor need there be a certificate of that name. Who came with one has shown it, and so
 * has who came from an outside issuer.
 */
export function losesLastPassword(view: ReadView, caller: Caller, { put_users, delete_users }: Rows): boolean {
  if (caller.kind !== 'user' || caller.token === null) return false
  const withPassword = listUsers(view).filter((user) => !user.no_password && canAdminister(user))
  const keepsIt = (name: string): boolean => {
    if (delete_users.includes(name)) return false
    const put = put_users.find((user) => user.name === name)
    return put === undefined || (!put.no_password && put.roles.includes(rootName))
  }
  return withPassword.length > 0 && !withPassword.some(({ name }) => keepsIt(name))
}
