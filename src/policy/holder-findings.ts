import { capabilitiesOf, rootName } from '../auth/built-in-roles.ts'
import { covers, type Interval, mergeRanges } from '../auth/intervals.ts'
import { parseRangeSpec } from '../auth/range-spec.ts'
import type { KeyRange } from '../base/key-range.ts'
import { type Finding, finding } from './finding.ts'
import { grantsOf, rangeText } from './grants.ts'
import type { GroupPolicy, Policy, RolePolicy, UserPolicy } from './policy.ts'
import { fileBegin, quoted } from './problem.ts'
import type { RangeVerb } from './schema.ts'

/** What all grants of a role together are good for. */
export interface RoleReach {
  readonly role: RolePolicy
  readonly reads: readonly Interval[]
  readonly writes: readonly Interval[]
  readonly users: readonly UserPolicy[]
  readonly groups: readonly GroupPolicy[]
}

/** So many users are taken for "everybody", and so are two if there are no others but administrators. */
const many = 3
const isMany = (count: number, ordinaryUsers: number): boolean => count >= many || (count === 2 && ordinaryUsers === 2)
const isOrdinary = ({ roles }: UserPolicy): boolean => !roles.includes(rootName)

/** Who has more roles is not looked at for one too many: each is compared with all others. */
const comparedRolesMax = 64
/** Intervals that are merged for it; those who come after are not looked at. */
const comparedMax = 2_000_000

const wide: readonly KeyRange[] = [parseRangeSpec({ all: true }), parseRangeSpec({ prefix: '/' })]

export function reachesOf(policy: Policy): Reaches {
  const holders = <T extends { readonly roles: readonly string[] }>(all: Iterable<T>): Map<string, T[]> => {
    const byRole = new Map<string, T[]>()
    for (const holder of all) {
      for (const name of holder.roles) {
        const known = byRole.get(name)
        if (known === undefined) byRole.set(name, [holder])
        else known.push(holder)
      }
    }
    return byRole
  }
  const users = holders(policy.users.values())
  const groups = holders(policy.groups.values())
  return new Map(
    [...policy.roles.values()].map((role) => {
      const grants = grantsOf(policy, role.name)
      const of = (verb: RangeVerb): Interval[] =>
        mergeRanges(grants.filter(({ verbs }) => verbs.has(verb)).map(({ range }) => range))
      const reach = { role, reads: of('read'), writes: of('write') }
      return [role.name, { ...reach, users: users.get(role.name) ?? [], groups: groups.get(role.name) ?? [] }]
    }),
  )
}

/**
 * Roles that are good for too much, or for nothing.
 *
 * @param extended roles that others extend.
 * @param ordinaryUsers how many users there are, without administrators.
 */
export function roleFindings(
  { role, reads, writes, users, groups }: RoleReach,
  { extended, ordinaryUsers }: { readonly extended: ReadonlySet<string>; readonly ordinaryUsers: number },
): Finding[] {
  const found: Finding[] = []
  const name = quoted(role.name)
  const written = wide.find((range) => covers(writes, range))
  // Of many it is an error: `wideUsers`.
  if (written !== undefined && !isMany(users.filter(isOrdinary).length, ordinaryUsers)) {
    found.push(finding('all-keys-written', role.place, `the role ${name} may write ${rangeText(written)}`))
  }
  if (reads.length === 0 && writes.length === 0) {
    found.push(finding('role-without-permissions', role.place, `the role ${name} is good for nothing`))
  }
  if (users.length === 0 && groups.length === 0 && !extended.has(role.name)) {
    found.push(finding('unused-role', role.place, `nobody has the role ${name}`))
  }
  return found
}

type Reaches = ReadonlyMap<string, RoleReach>

/** What somebody may do to all keys, or to all below `/`, by one of their roles or by several together; null if not. */
interface WideReach {
  readonly what: string
  readonly roles: readonly string[]
}

function wideReachOf(roles: readonly string[], reaches: Reaches): WideReach | null {
  const held = roles.flatMap((name) => reaches.get(name) ?? [])
  for (const [verb, of] of [
    ['write', ({ writes }: RoleReach) => writes],
    ['read', ({ reads }: RoleReach) => reads],
  ] as const) {
    const touching = held.filter((reach) => of(reach).length > 0)
    const all = mergeRanges(touching.flatMap((reach) => of(reach).map(asRange)))
    const range = wide.find((each) => covers(all, each))
    if (range === undefined) continue
    const enough = touching.filter((reach) => covers(of(reach), range))
    return {
      what: `${verb} ${rangeText(range)}`,
      roles: (enough.length > 0 ? enough.slice(0, 1) : touching).map(({ role }) => role.name),
    }
  }
  return null
}

const byRoles = (names: readonly string[]): string =>
  names.length === 1 ? `by the role ${quoted(names[0]!)}` : `by roles that go together: ${shownNames(names)}`

const shownNames = (names: readonly string[]): string =>
  names.slice(0, shownRolesMax).map(quoted).join(', ') + (names.length > shownRolesMax ? ', …' : '')
const shownRolesMax = 5

/** Groups and users who reach everything, or nearly: whichever roles they have it by. */
export function wideFindings({ users, groups }: Policy, reaches: Reaches): Finding[] {
  const found: Finding[] = []
  for (const { name, roles, place } of groups.values()) {
    const reach = roles.includes(rootName) ? null : wideReachOf(roles, reaches)
    if (reach === null) continue
    const message = `whoever is in the group ${quoted(name)} may ${reach.what}, ${byRoles(reach.roles)}`
    found.push(finding('all-keys-to-group', place, message))
  }
  const ordinary = [...users.values()].filter(isOrdinary)
  const reaching = ordinary.flatMap((user) => {
    const reach = wideReachOf(user.roles, reaches)
    return reach === null ? [] : [{ user, reach }]
  })
  if (isMany(reaching.length, ordinary.length)) {
    const roles = [...new Set(reaching.flatMap(({ reach }) => reach.roles))]
    const what = reaching.find(({ reach }) => reach.what.startsWith('write'))?.reach.what ?? reaching[0]!.reach.what
    const [only] = roles
    const place = roles.length === 1 ? reaches.get(only!)!.role.place : reaching.at(-1)!.user.place
    const by = roles.length === 1 ? byRoles(roles) : `by the roles ${shownNames(roles)}`
    found.push(finding('all-keys-to-many', place, `${reaching.length} users may ${what}, ${by}`))
  }
  return found
}

/** Users and groups with too little or too much. */
export function holderFindings(policy: Policy, reaches: Reaches): Finding[] {
  const found: Finding[] = []
  const administrators = [...policy.users.values()].filter(({ roles }) => roles.includes(rootName))
  if (policy.users.get(rootName)?.roles.includes(rootName) !== true) {
    const message = 'there is no user root with the role root here: auth cannot be on without it'
    found.push(finding('no-administrator', fileBegin, message))
  }
  if (administrators.length > many) {
    const message = `${administrators.length} users have the role root: the built-in roles need not be so wide`
    found.push(finding('root-to-many', administrators[many]!.place, message))
  }
  let compared = 0
  for (const { name, roles, place } of policy.users.values()) {
    const who = `the user ${quoted(name)}`
    if (roles.length === 0) found.push(finding('user-without-roles', place, `${who} may do nothing`))
    compared += comparisonSize(roles, reaches)
    if (compared > comparedMax) continue
    for (const role of redundantRoles(roles, reaches)) {
      found.push(finding('redundant-role', place, `${who} may all that the role ${quoted(role)} allows without it`))
    }
  }
  for (const { name, roles, place } of policy.groups.values()) {
    const who = `the group ${quoted(name)}`
    if (roles.length === 0) found.push(finding('group-without-roles', place, `${who} is good for nothing`))
    if (roles.includes(rootName)) {
      found.push(finding('root-to-group', place, `whoever is in ${who} may everything`))
    } else if (capabilitiesOf(roles).has('backup')) {
      found.push(finding('snapshot-to-group', place, `whoever is in ${who} may take all data with them, as a snapshot`))
    }
  }
  return found
}

/** Roles that could be taken away, one after the other, without anything being lost. */
function redundantRoles(roles: readonly string[], reaches: Reaches): string[] {
  if (roles.length > comparedRolesMax) return []
  if (roles.includes(rootName)) return roles.filter((role) => role !== rootName)
  const needed = new Set(roles)
  const redundant: string[] = []
  for (const name of roles) {
    const reach = reaches.get(name)
    // What a built-in role is good for is not keys.
    if (reach === undefined || (reach.reads.length === 0 && reach.writes.length === 0)) continue
    const others = [...needed].filter((other) => other !== name).flatMap((other) => reaches.get(other) ?? [])
    const union = (of: 'reads' | 'writes'): Interval[] => mergeRanges(others.flatMap((other) => other[of].map(asRange)))
    const isIn = (of: 'reads' | 'writes'): boolean => {
      const all = union(of)
      return reach[of].every((interval) => covers(all, asRange(interval)))
    }
    if (!isIn('reads') || !isIn('writes')) continue
    needed.delete(name)
    redundant.push(name)
  }
  return redundant
}

/** Each role is compared with all others together. */
function comparisonSize(roles: readonly string[], reaches: Reaches): number {
  if (roles.length > comparedRolesMax) return 0
  let intervals = 0
  for (const name of roles)
    intervals += (reaches.get(name)?.reads.length ?? 0) + (reaches.get(name)?.writes.length ?? 0)
  return intervals * roles.length
}

export const asRange = ({ start, end }: Interval): KeyRange => ({ start, end, isPoint: false })
