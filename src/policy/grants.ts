import { comparePermissions } from '../auth/checks.ts'
import { rangeSpecOf, wireRangeOf } from '../auth/range-spec.ts'
import { type KeyRange, rangeFromWire } from '../base/key-range.ts'
import { type Permission, Permission_Type } from '../wire/gen/auth.ts'
import type { Grant, Policy } from './policy.ts'
import { quoted } from './problem.ts'
import { lineage } from './role-graph.ts'
import type { RangeVerb } from './schema.ts'

/** Equal exactly for ranges that are one permission of a role. */
export function rangeName(range: KeyRange): string {
  const { key, range_end } = wireRangeOf(range)
  return `${hex(key)} ${hex(range_end)}`
}
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

export const rangeOfPermission = ({ key, range_end }: Permission): KeyRange => rangeFromWire(key, range_end)

export function verbsOfPermission({ permType }: Permission): RangeVerb[] {
  if (permType === Permission_Type.READWRITE) return ['read', 'write']
  return permType === Permission_Type.WRITE ? ['write'] : ['read']
}

/** What a role is granted, with all that it has from others: as the cluster keeps it. Sorted. */
export function permissionsOf(policy: Policy, name: string): Permission[] {
  const byRange = new Map<string, { readonly range: KeyRange; readonly verbs: Set<RangeVerb> }>()
  for (const { verbs, range } of grantsOf(policy, name)) {
    const known = byRange.get(rangeName(range))
    if (known === undefined) byRange.set(rangeName(range), { range, verbs: new Set(verbs) })
    else for (const verb of verbs) known.verbs.add(verb)
  }
  return [...byRange.values()]
    .map(({ range, verbs }) => ({ ...wireRangeOf(range), permType: typeOf(verbs) }))
    .sort(comparePermissions)
}

export const grantsOf = (policy: Policy, name: string): Grant[] =>
  lineage(policy.roles, name).flatMap(({ grants }) => grants)

function typeOf(verbs: ReadonlySet<RangeVerb>): Permission_Type {
  if (verbs.has('read') && verbs.has('write')) return Permission_Type.READWRITE
  return verbs.has('write') ? Permission_Type.WRITE : Permission_Type.READ
}

/** A range for people, as policies write it: `prefix "/app/"`. */
export function rangeText(range: KeyRange): string {
  const { key, prefix, from, to, encoding } = rangeSpecOf(range)
  const coded = encoding === undefined ? '' : ` (${encoding})`
  if (key !== undefined) return `key ${quoted(key)}${coded}`
  if (prefix !== undefined) return `prefix ${quoted(prefix)}${coded}`
  if (from === undefined) return 'all keys'
  return to === undefined ? `from ${quoted(from)}${coded}` : `from ${quoted(from)} to ${quoted(to)}${coded}`
}

export const permissionText = (permission: Permission): string =>
  `${verbsOfPermission(permission).join(', ')} ${rangeText(rangeOfPermission(permission))}`
