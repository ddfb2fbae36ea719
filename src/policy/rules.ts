import { rootName } from '../auth/built-in-roles.ts'
import { comparePermissions } from '../auth/checks.ts'
import { compareNames } from '../auth/records.ts'
import type { PolicyGetResponse, PolicyGroup, PolicyRole, PolicyUser } from '../wire/gen/leasehold.ts'
import { permissionsOf } from './grants.ts'
import type { Policy } from './policy.ts'

/** Who may do what, as a cluster keeps it: everything sorted by names, as bytes, and nothing twice. */
export interface Rules {
  readonly roles: readonly PolicyRole[]
  readonly users: readonly PolicyUser[]
  readonly groups: readonly PolicyGroup[]
}

/** What a policy makes of an empty cluster. */
export const rulesOfPolicy = (policy: Policy): Rules => ({
  roles: sorted([...policy.roles.keys()].map((name) => ({ name, permissions: permissionsOf(policy, name) }))),
  users: sorted(
    [...policy.users.values()].map(({ name, roles, login }) => ({
      name,
      roles: sortedNames(roles),
      no_password: login === 'certificate',
    })),
  ),
  groups: sorted([...policy.groups.values()].map(({ name, roles }) => ({ name, roles: sortedNames(roles) }))),
})

/** Without the row that a cluster may have for the role root: it is the same role with and without it. */
export const rulesOfCluster = ({ roles, users, groups }: Rules | PolicyGetResponse): Rules => ({
  roles: sorted(
    roles
      .filter(({ name }) => name !== rootName)
      .map(({ name, permissions }) => ({ name, permissions: [...permissions].sort(comparePermissions) })),
  ),
  users: sorted(users.map((user) => ({ ...user, roles: sortedNames(user.roles) }))),
  groups: sorted(groups.map((group) => ({ ...group, roles: sortedNames(group.roles) }))),
})

const sorted = <T extends { readonly name: string }>(all: readonly T[]): T[] =>
  [...all].sort((a, b) => compareNames(a.name, b.name))

const sortedNames = (names: readonly string[]): string[] => [...names].sort(compareNames)
