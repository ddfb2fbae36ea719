import type { Denial } from '../auth/authorize.ts'
import { capabilitiesOf, rootName } from '../auth/built-in-roles.ts'
import { covers, mergeRanges } from '../auth/intervals.ts'
import { compareBytes, equalBytes, nextKey } from '../base/bytes.ts'
import { type KeyRange, rangesOverlap } from '../base/key-range.ts'
import { rangeOfPermission, verbsOfPermission } from './grants.ts'
import { Judge } from './judge.ts'
import type { Policy, Question } from './policy.ts'
import type { Place } from './problem.ts'
import { lineage } from './role-graph.ts'
import type { Rules } from './rules.ts'
import type { RangeVerb } from './schema.ts'

/** A permission, and by which role somebody has it. */
export interface HeldGrant {
  readonly role: string
  /** The role that it is written at, if `role` extends that one. */
  readonly writtenAt: string
  readonly verbs: readonly RangeVerb[]
  readonly range: KeyRange
  /** In the policy file; null in a cluster. */
  readonly place: Place | null
}

export interface Explanation {
  /** What the server would say; null if it would allow it. */
  readonly denial: Denial | null
  /** Those of the one who is asked after. */
  readonly roles: readonly string[]
  /** Built-in roles that allow it by themselves. */
  readonly builtIn: readonly string[]
  /** Grants that allow it: each of them alone, or if none does, all together as far as they go. */
  readonly grants: readonly HeldGrant[]
  /** Keys that are asked for and that nothing grants. */
  readonly lacking: readonly KeyRange[]
  /** If it is denied: grants that come near to what is asked, the nearest first. */
  readonly nearest: readonly HeldGrant[]
  /** If it is denied: roles that would allow it, in the order of their names. */
  readonly otherRoles: readonly string[]
}

const nearestMax = 3
const otherRolesMax = 10

/** Says why the server decides as it does. The decision itself is the server's; only the reasons are looked for here. */
export function explain(question: Question, rules: Rules, policy: Policy | null): Explanation {
  const judge = new Judge(rules)
  const denial = judge.denialOf(question)
  const roles = rolesOf(question, rules)
  const builtIn = roles.filter((name) => name === rootName || mayByCapability(name, question))
  const held = roles.flatMap((role) => heldBy(role, rules, policy))
  const { range, verb } = question
  const otherRoles = denial === null ? [] : rolesThatMay(question, rules, judge)
  const reasons =
    range === null || (verb !== 'read' && verb !== 'write')
      ? { grants: [], lacking: [], nearest: [] }
      : reasonsFor(range, verb, held, builtIn.length > 0)
  return { denial, roles, builtIn, otherRoles, ...reasons }
}

function rolesThatMay(question: Question, { roles }: Rules, judge: Judge): string[] {
  const found: string[] = []
  for (const { name } of roles) {
    if (judge.denialOf({ ...question, subject: { kind: 'role', name } }) === null) found.push(name)
    if (found.length === otherRolesMax) break
  }
  return found
}

function reasonsFor(range: KeyRange, verb: RangeVerb, held: readonly HeldGrant[], mayAll: boolean) {
  const touching = held.filter((grant) => grant.verbs.includes(verb) && rangesOverlap(grant.range, range))
  const enough = touching.filter((grant) => covers(mergeRanges([grant.range]), range))
  const grants = enough.length > 0 ? enough : touching
  const lacking = mayAll ? [] : gapsIn(range, touching)
  const nearest =
    lacking.length === 0
      ? []
      : nearestTo(
          range,
          held.filter((grant) => !touching.includes(grant)),
        )
  return { grants, lacking, nearest }
}

function rolesOf({ subject: { kind, name } }: Question, { users, groups }: Rules): readonly string[] {
  if (kind === 'role') return [name]
  return (kind === 'user' ? users : groups).find((row) => row.name === name)?.roles ?? []
}

const mayByCapability = (role: string, { verb }: Question): boolean =>
  (capabilitiesOf([role]) as ReadonlySet<string>).has(verb)

function heldBy(role: string, rules: Rules, policy: Policy | null): HeldGrant[] {
  if (policy !== null) {
    return lineage(policy.roles, role).flatMap(({ name, grants }) =>
      grants.map(({ verbs, range, place }) => ({ role, writtenAt: name, verbs: [...verbs], range, place })),
    )
  }
  const permissions = rules.roles.find(({ name }) => name === role)?.permissions ?? []
  return permissions.map((permission) => ({
    ...{ role, writtenAt: role, place: null },
    verbs: verbsOfPermission(permission),
    range: rangeOfPermission(permission),
  }))
}

/** What of `asked` none of the grants has. */
function gapsIn(asked: KeyRange, grants: readonly HeldGrant[]): KeyRange[] {
  const gaps: KeyRange[] = []
  let from = asked.start
  for (const { start, end } of mergeRanges(grants.map(({ range }) => range))) {
    if (compareBytes(from, start) < 0) gaps.push(rangeBetween(from, start))
    if (end === null) return gaps
    from = end
  }
  if (asked.end === null || compareBytes(from, asked.end) < 0) {
    gaps.push(from === asked.start ? asked : rangeBetween(from, asked.end))
  }
  return gaps
}

const rangeBetween = (start: Uint8Array, end: Uint8Array | null): KeyRange => ({
  start,
  end,
  isPoint: end !== null && equalBytes(end, nextKey(start)),
})

/** Those on the keys themselves, for something else, before those whose first keys are most alike. */
function nearestTo({ start, ...rest }: KeyRange, grants: readonly HeldGrant[]): HeldGrant[] {
  const score = ({ range }: HeldGrant): number =>
    rangesOverlap(range, { start, ...rest }) ? Number.MAX_SAFE_INTEGER : commonBytes(range.start, start)
  return [...grants].sort((a, b) => score(b) - score(a)).slice(0, nearestMax)
}

function commonBytes(a: Uint8Array, b: Uint8Array): number {
  let length = 0
  while (length < a.length && length < b.length && a[length] === b[length]) length++
  return length
}
