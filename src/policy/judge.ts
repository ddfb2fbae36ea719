import { authorize, type Denial } from '../auth/authorize.ts'
import { isBuiltInRole } from '../auth/built-in-roles.ts'
import { type Caller, stranger } from '../auth/caller.ts'
import { auditing, backingUp, monitoring, type Operation, operating, root } from '../auth/operation.ts'
import type { PolicyRole } from '../wire/gen/leasehold.ts'
import { type AuthTables, authTablesOf } from './auth-tables.ts'
import type { Question, Subject } from './policy.ts'
import type { Rules } from './rules.ts'
import type { MethodVerb } from './schema.ts'

/** Asks what a member would decide. */
export class Judge {
  readonly #roles: ReadonlyMap<string, PolicyRole>
  readonly #tables: AuthTables
  readonly #ofRoles = new Map<string, AuthTables>()

  /** @throws EtcdError if a member would refuse the rules. */
  constructor(rules: Rules) {
    this.#roles = new Map(rules.roles.map((role) => [role.name, role]))
    this.#tables = authTablesOf(rules)
  }

  /** Null if it would be allowed. */
  denialOf({ subject, verb, range }: Question): Denial | null {
    const operation: Operation =
      verb === 'read' || verb === 'write'
        ? { kind: 'keys', needs: range === null ? [] : [{ kind: verb, range }] }
        : operations[verb]
    const { tables, caller } = this.#callerOf(subject)
    return authorize(tables.rules, tables.view, caller, operation)
  }

  #callerOf({ kind, name }: Subject): { readonly tables: AuthTables; readonly caller: Caller } {
    if (kind === 'group') return { tables: this.#tables, caller: memberOf(name) }
    if (kind === 'role' && !this.#roles.has(name) && !isBuiltInRole(name)) {
      return { tables: this.#tables, caller: stranger }
    }
    const tables = kind === 'user' ? this.#tables : this.#tablesOfRole(name)
    const user = tables.rules.userNamed(tables.view, kind === 'user' ? name : holder)?.user
    if (user === undefined) return { tables, caller: stranger }
    return { tables, caller: { kind: 'user', id: Number(user.id), token: null, scope: null } }
  }

  /** In which somebody has that role, and no other. */
  #tablesOfRole(name: string): AuthTables {
    const known = this.#ofRoles.get(name)
    if (known !== undefined) return known
    const role = this.#roles.get(name)
    const tables = authTablesOf({
      roles: role === undefined ? [] : [role],
      users: [{ name: holder, roles: [name], no_password: true }],
      groups: [],
    })
    this.#ofRoles.set(name, tables)
    return tables
  }
}

const holder = 'holder'

/** Somebody with a good token of an outside issuer that says one group. */
const memberOf = (group: string): Caller => ({
  kind: 'groups',
  name: '',
  groups: [group],
  token: { revision: null, issuedMs: Number.MAX_SAFE_INTEGER, ids: [] },
  scope: null,
})

const operations: Readonly<Record<MethodVerb, Operation>> = {
  monitor: monitoring,
  backup: backingUp,
  operate: operating,
  audit: auditing,
  admin: root,
}
