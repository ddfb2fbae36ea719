import { stringify } from 'yaml'
import { rangeSpecOf } from '../auth/range-spec.ts'
import type { Permission } from '../wire/gen/auth.ts'
import { rangeOfPermission, verbsOfPermission } from './grants.ts'
import type { Rules } from './rules.ts'

/** A policy file that says these rules, and nothing else: the same rules give the same bytes. */
export function exportPolicy({ roles, users, groups }: Rules): string {
  const document = {
    version: 1,
    roles: roles.map(({ name, permissions }) => ({ name, permissions: permissions.map(permissionDocument) })),
    users: users.map(({ name, roles: held, no_password }) => ({
      name,
      login: no_password ? 'certificate' : 'password',
      roles: held,
    })),
    groups: groups.map(({ name, roles: held }) => ({ name, roles: held })),
  }
  return header + stringify(document, { version: '1.2', schema: 'core', aliasDuplicateObjects: false, lineWidth: 0 })
}

const header = '# Who may do what. Checked by: leasehold policy check\n'

const permissionDocument = (permission: Permission): object => ({
  allow: verbsOfPermission(permission),
  ...rangeSpecOf(rangeOfPermission(permission)),
})
