import { rangeSpecOf } from '../auth/range-spec.ts'
import { compareBytes, equalBytes } from '../base/bytes.ts'
import { type Finding, finding } from './finding.ts'
import { grantsOf, rangeText } from './grants.ts'
import { isOddText, oddText } from './odd-text.ts'
import type { Grant, Policy, RolePolicy } from './policy.ts'
import { quoted } from './problem.ts'
import { type RangeVerb, rangeVerbs } from './schema.ts'

/** What the ranges of one role, and of those that it extends, look like beside each other. */
export function grantFindings(policy: Policy, role: RolePolicy): Finding[] {
  return [...role.grants.flatMap((grant) => spellingFindings(role, grant)), ...neighbourFindings(policy, role)]
}

/** Ranges that are written like others that are more often meant. */
function spellingFindings(role: RolePolicy, { range, place }: Grant): Finding[] {
  const { key, prefix, from, to, encoding } = rangeSpecOf(range)
  if (encoding !== undefined) return []
  if ([key, prefix, from, to].some((text) => text !== undefined && isOddText(text))) {
    const message = `role ${quoted(role.name)}: ${rangeText(range)} has ${oddText}`
    return [finding('odd-key', place, message)]
  }
  if (key?.endsWith('/')) {
    const message = `role ${quoted(role.name)}: this is the one key ${quoted(key)}: for all keys below it say prefix`
    return [finding('key-with-slash', place, message)]
  }
  if (prefix !== undefined && /[\p{L}\p{N}]$/u.test(prefix)) {
    const message = `role ${quoted(role.name)}: the prefix ${quoted(prefix)} has ${quoted(`${prefix}…`)}, too: end it with a separator`
    return [finding('open-prefix', place, message)]
  }
  return []
}

/**
 * One pass for each verb over the ranges by their first keys. Beside which one of those before a range is looked at is the
 * one that reaches farthest.
 */
function neighbourFindings(policy: Policy, role: RolePolicy): Finding[] {
  const own = new Set(role.grants)
  const shadowed = new Map<Grant, RangeVerb[]>()
  const found = new Map<string, Finding>()
  const name = quoted(role.name)
  // The inherited ones first: of two that are equal it is the own one that is not needed.
  const all = grantsOf(policy, role.name).sort((a, b) => Number(own.has(a)) - Number(own.has(b)))
  for (const verb of rangeVerbs) {
    let before: Grant | null = null
    for (const grant of all.filter(({ verbs }) => verbs.has(verb)).sort(byRange)) {
      const way = before === null ? 'apart' : relationOf(before, grant)
      if (way === 'inside') {
        shadowed.set(grant, [...(shadowed.get(grant) ?? []), verb])
        continue
      }
      if (before !== null && way !== 'apart' && own.has(before) && own.has(grant)) {
        const kind = way === 'touching' ? 'adjacent-permissions' : 'overlapping-permissions'
        const ranges = `${rangeText(before.range)} and ${rangeText(grant.range)}`
        const message =
          way === 'touching'
            ? `role ${name}: ${ranges} touch, and together are one range without a gap`
            : `role ${name}: ${ranges} have keys in common`
        found.set(`${kind} ${grant.place.line} ${grant.place.column}`, finding(kind, grant.place, message))
      }
      before = grant
    }
  }
  for (const [grant, verbs] of shadowed) {
    if (!own.has(grant) || verbs.length < grant.verbs.size) continue
    const message = `role ${name}: ${rangeText(grant.range)} is part of what the role has without it`
    found.set(
      `shadowed ${grant.place.line} ${grant.place.column}`,
      finding('shadowed-permission', grant.place, message),
    )
  }
  return [...found.values()]
}

/** By first key; of those with the same one, the longest comes first. */
function byRange({ range: a }: Grant, { range: b }: Grant): number {
  return compareBytes(a.start, b.start) || compareEnds(b.end, a.end)
}

function compareEnds(a: Uint8Array | null, b: Uint8Array | null): number {
  if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1
  return compareBytes(a, b)
}

function relationOf({ range: before }: Grant, { range }: Grant): 'inside' | 'overlapping' | 'touching' | 'apart' {
  if (compareEnds(range.end, before.end) <= 0) return 'inside'
  // Only a range without an end is never passed.
  const end = before.end!
  if (compareBytes(range.start, end) < 0) return 'overlapping'
  return equalBytes(range.start, end) ? 'touching' : 'apart'
}
