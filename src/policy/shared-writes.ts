import { covers, type Interval } from '../auth/intervals.ts'
import { compareBytes } from '../base/bytes.ts'
import { limits } from '../base/limits.ts'
import { type Finding, finding } from './finding.ts'
import { rangeText } from './grants.ts'
import { asRange, type RoleReach } from './holder-findings.ts'
import { quoted } from './problem.ts'

/** More are not looked for: whoever has so many has something else in mind. */
const sharedMax = 100
/** Intervals of pairs that are compared: thousands of roles that all write the same are millions of pairs. */
const comparedMax = 2_000_000

/**
 * Pairs of roles of different holders that may write some keys both, while neither is simply the wider one: where two
 * owners meet, seldom on purpose.
 */
export function sharedWrites(reaches: Iterable<RoleReach>): Finding[] {
  const rows = [...reaches]
    .filter(({ users, groups }) => users.length + groups.length > 0)
    .flatMap((reach, role) => reach.writes.map((interval) => ({ reach, role, interval })))
    .sort((a, b) => compareBytes(a.interval.start, b.interval.start))
  const found: Finding[] = []
  const seen = new Set<number>()
  let compared = 0
  for (const [at, { reach, role, interval }] of rows.entries()) {
    for (let next = at + 1; next < rows.length && found.length < sharedMax && compared < comparedMax; next++) {
      const other = rows[next]!
      if (interval.end !== null && compareBytes(other.interval.start, interval.end) >= 0) break
      compared++
      const pair = Math.min(role, other.role) * limits.policyListMax + Math.max(role, other.role)
      if (other.reach === reach || seen.has(pair)) continue
      seen.add(pair)
      compared += sizeOf(reach) + sizeOf(other.reach)
      if (isWider(reach, other.reach) || isWider(other.reach, reach) || haveHolderInCommon(reach, other.reach)) continue
      const shared = rangeText(asRange(common(interval, other.interval)))
      const roles = `${quoted(reach.role.name)} and ${quoted(other.reach.role.name)}`
      found.push(finding('shared-writes', other.reach.role.place, `the roles ${roles} both write ${shared}`))
    }
  }
  return found
}

const sizeOf = ({ writes, users, groups }: RoleReach): number => writes.length + users.length + groups.length

const isWider = (wider: RoleReach, other: RoleReach): boolean =>
  other.writes.every((interval) => covers(wider.writes, asRange(interval)))

function haveHolderInCommon(a: RoleReach, b: RoleReach): boolean {
  const holders = new Set<object>([...a.users, ...a.groups])
  return [...b.users, ...b.groups].some((holder) => holders.has(holder))
}

/** @param b begins in `a`. */
const common = (a: Interval, b: Interval): Interval => ({
  start: b.start,
  end: a.end === null || (b.end !== null && compareBytes(b.end, a.end) < 0) ? b.end : a.end,
})
