import type { Permission } from '../wire/gen/auth.ts'
import type { PolicyApplyRequest, PolicyGroup, PolicyRole, PolicyUser } from '../wire/gen/leasehold.ts'
import { permissionText, rangeName, rangeOfPermission } from './grants.ts'
import { quoted } from './problem.ts'
import type { Rules } from './rules.ts'

export type RowKind = 'role' | 'user' | 'group'

/** What becomes of one role, user or group. */
export interface RowChange {
  readonly kind: RowKind
  readonly name: string
  readonly action: 'add' | 'change' | 'delete'
  /** What is gained and lost by it, in lines that begin with + or - */
  readonly details: readonly string[]
}

/** The way from one state of the rules to another. */
export interface Difference {
  readonly changes: readonly RowChange[]
  /** In the cluster but not in the file, and left alone. */
  readonly kept: readonly { readonly kind: RowKind; readonly name: string }[]
  /** The rules afterwards. */
  readonly after: Rules
  readonly request: PolicyApplyRequest
}

/**
 * @param revision auth revision at which the cluster had `before`: the change is good for no other.
 * @param prune whether what `wanted` does not have is deleted.
 */
export function differenceOf(
  before: Rules,
  wanted: Rules,
  { revision, prune }: { readonly revision: bigint; readonly prune: boolean },
): Difference {
  const roles = compareRows('role', before.roles, wanted.roles, prune, roleDetails)
  const users = compareRows('user', before.users, wanted.users, prune, userDetails)
  const groups = compareRows('group', before.groups, wanted.groups, prune, groupDetails)
  const all = [roles, users, groups]
  return {
    changes: all.flatMap(({ changes }) => changes),
    kept: all.flatMap(({ kept }) => kept),
    after: { roles: roles.after, users: users.after, groups: groups.after },
    request: {
      expected_auth_revision: revision,
      put_roles: roles.put,
      delete_roles: roles.deleted,
      put_users: users.put,
      delete_users: users.deleted,
      put_groups: groups.put,
      delete_groups: groups.deleted,
    },
  }
}

interface Compared<Row> {
  readonly changes: readonly RowChange[]
  readonly kept: readonly { readonly kind: RowKind; readonly name: string }[]
  readonly after: readonly Row[]
  readonly put: Row[]
  readonly deleted: string[]
}

/** @param details the lines of one that is new (`before` is null), or changed: none if it is the same. */
function compareRows<Row extends { readonly name: string }>(
  kind: RowKind,
  before: readonly Row[],
  wanted: readonly Row[],
  prune: boolean,
  details: (before: Row | null, after: Row) => string[],
): Compared<Row> {
  const there = new Map(before.map((row) => [row.name, row]))
  const names = new Set(wanted.map(({ name }) => name))
  const others = before.filter(({ name }) => !names.has(name))
  const changes: RowChange[] = []
  const put: Row[] = []
  for (const row of wanted) {
    const old = there.get(row.name) ?? null
    const lines = details(old, row)
    if (old !== null && lines.length === 0) continue
    changes.push({ kind, name: row.name, action: old === null ? 'add' : 'change', details: lines })
    put.push(row)
  }
  const deleted = prune ? others.map(({ name }) => name) : []
  for (const name of deleted) changes.push({ kind, name, action: 'delete', details: [] })
  const kept = prune ? [] : others
  return { changes, kept: kept.map(({ name }) => ({ kind, name })), after: [...wanted, ...kept], put, deleted }
}

function roleDetails(before: PolicyRole | null, { permissions }: PolicyRole): string[] {
  const had = before?.permissions ?? []
  const textsOf = (all: readonly Permission[]) => new Map(all.map((one) => [nameOf(one), permissionText(one)]))
  const lost = textsOf(had)
  const gained = textsOf(permissions)
  for (const one of lost.keys()) if (gained.delete(one)) lost.delete(one)
  return [...[...lost.values()].map((text) => `- ${text}`), ...[...gained.values()].map((text) => `+ ${text}`)]
}

const nameOf = (permission: Permission): string => `${permission.permType} ${rangeName(rangeOfPermission(permission))}`

function userDetails(before: PolicyUser | null, after: PolicyUser): string[] {
  const login = loginText(after)
  if (before === null) return [`+ login ${login}`, ...rolesDetails([], after.roles)]
  const logins = before.no_password === after.no_password ? [] : [`- login ${loginText(before)}`, `+ login ${login}`]
  return [...logins, ...rolesDetails(before.roles, after.roles)]
}

const loginText = ({ no_password }: PolicyUser): string => (no_password ? 'certificate' : 'password')

const groupDetails = (before: PolicyGroup | null, after: PolicyGroup): string[] =>
  rolesDetails(before?.roles ?? [], after.roles)

const rolesDetails = (had: readonly string[], has: readonly string[]): string[] => [
  ...had.filter((role) => !has.includes(role)).map((role) => `- role ${quoted(role)}`),
  ...has.filter((role) => !had.includes(role)).map((role) => `+ role ${quoted(role)}`),
]

const signs = { add: '+', change: '~', delete: '-' } as const

/** For people; empty if nothing changes. */
export const differenceText = ({ changes }: Pick<Difference, 'changes'>): string =>
  changes
    .flatMap(({ kind, name, action, details }) => [
      `${signs[action]} ${kind} ${quoted(name)}`,
      ...details.map((line) => `    ${line}`),
    ])
    .map((line) => `${line}\n`)
    .join('')
