import { rootName } from '../auth/built-in-roles.ts'
import { quoted } from './problem.ts'
import type { Rules } from './rules.ts'

/** Who a cluster takes somebody for: a user of its table, or a member of groups. */
export interface Applicant {
  /** Empty: no user of the table. */
  readonly user: string
  readonly groups: readonly string[]
}

/**
 * Why rules must not be taken over, if nobody could mend them afterwards: a member looks at this too, and in addition at
 * who has a password.
 *
 * @param before the rules as they are, with auth on.
 * @param applicant null: not known.
 * @returns null if nothing speaks against it.
 */
export function lockoutOf(before: Rules, after: Rules, applicant: Applicant | null): string | null {
  if (!isRoot(after.users, rootName)) {
    return `the user root with the role root would be gone: auth needs both`
  }
  const canGoOn = after.users.some(({ name, roles, no_password }) => {
    const old = before.users.find((user) => user.name === name)
    // Who is new, or has just been given up a certificate for a password, has none yet.
    return roles.includes(rootName) && (no_password || old?.no_password === false)
  })
  if (!canGoOn) return 'nobody with the role root would have a password or a certificate to come with'
  if (applicant === null) return null
  const { user, groups } = applicant
  const lost = (what: string): string =>
    `${what} would lose the role root, with which this is applied: let somebody else do it`
  if (isRoot(before.users, user) && !isRoot(after.users, user)) return lost(`the user ${quoted(user)}`)
  const isGroupRoot = (rows: Rules['groups']): boolean => groups.some((name) => isRoot(rows, name))
  if (user === '' && isGroupRoot(before.groups) && !isGroupRoot(after.groups)) return lost('the groups of yours')
  return null
}

const isRoot = (rows: readonly { readonly name: string; readonly roles: readonly string[] }[], name: string): boolean =>
  rows.some((row) => row.name === name && row.roles.includes(rootName))
