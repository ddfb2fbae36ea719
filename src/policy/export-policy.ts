import { Document, visit } from 'yaml'
import { rangeSpecOf } from '../auth/range-spec.ts'
import type { Permission } from '../wire/gen/auth.ts'
import { rangeOfPermission, verbsOfPermission } from './grants.ts'
import type { Rules } from './rules.ts'

/** A policy file that says these rules, and nothing else: the same rules give the same bytes. */
export function exportPolicy({ roles, users, groups }: Rules): string {
  const content = {
    version: 1,
    roles: roles.map(({ name, permissions }) => ({ name, permissions: permissions.map(permissionDocument) })),
    users: users.map(({ name, roles: held, no_password }) => ({
      name,
      login: no_password ? 'certificate' : 'password',
      roles: held,
    })),
    groups: groups.map(({ name, roles: held }) => ({ name, roles: held })),
  }
  const document = new Document(content, { version: '1.2', schema: 'core', aliasDuplicateObjects: false })
  visit(document, {
    Scalar(_key, node) {
      if (typeof node.value === 'string' && unseen.test(node.value)) node.type = 'QUOTE_DOUBLE'
    },
  })
  // The library writes most of them as they are, and a policy is not read with all of them in it.
  return header + document.toString({ lineWidth: 0 }).replace(allUnseen, escaped)
}

/** Characters that do not show, or change how others do. Line ends are escaped by the library. */
const unseen = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u
const allUnseen = /[^\P{Cc}\n]|[\p{Cf}\p{Zl}\p{Zp}]/gu

const escaped = (character: string): string => `\\U${character.codePointAt(0)!.toString(16).padStart(8, '0')}`

const header = '# Who may do what. Checked by: leasehold policy check\n'

const permissionDocument = (permission: Permission): object => ({
  allow: verbsOfPermission(permission),
  ...rangeSpecOf(rangeOfPermission(permission)),
})
