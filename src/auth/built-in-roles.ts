/** What a role may be good for beside keys. */
export type Capability = 'monitor' | 'backup' | 'operate' | 'audit'

/** The role, and the user, that may do everything. The role needs no permissions, nor to be in the table of roles. */
export const rootName = 'root'

/** Names that begin so are not for roles of the table. */
const reservedPrefix = 'leasehold:'

/** Roles that are there without being in the table: they cannot be changed, and can be granted like others. */
const builtInRoles: ReadonlyMap<string, readonly Capability[]> = new Map([
  [rootName, ['monitor', 'backup', 'operate', 'audit']],
  [`${reservedPrefix}monitor`, ['monitor']],
  [`${reservedPrefix}backup`, ['backup', 'monitor']],
  [`${reservedPrefix}operator`, ['operate', 'monitor']],
  [`${reservedPrefix}auditor`, ['audit', 'monitor']],
])

export const builtInRoleNames: readonly string[] = [...builtInRoles.keys()]

export const isBuiltInRole = (name: string): boolean => builtInRoles.has(name)

export const isReservedRoleName = (name: string): boolean => name.startsWith(reservedPrefix)

export const capabilitiesOf = (roles: readonly string[]): ReadonlySet<Capability> =>
  new Set(roles.flatMap((role) => builtInRoles.get(role) ?? []))
