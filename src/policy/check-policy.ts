import { rootName } from '../auth/built-in-roles.ts'
import { type Finding, finding } from './finding.ts'
import { grantFindings } from './grant-findings.ts'
import { holderFindings, reachesOf, roleFindings, wideFindings } from './holder-findings.ts'
import { isOddText, oddText } from './odd-text.ts'
import type { Policy } from './policy.ts'
import { quoted } from './problem.ts'
import { sharedWrites } from './shared-writes.ts'

/** Looks at what a policy allows for what is seldom meant. In order of places. */
export function checkPolicy(policy: Policy): Finding[] {
  const reaches = reachesOf(policy)
  const extended = new Set([...policy.roles.values()].flatMap((role) => role.extends))
  const ordinaryUsers = [...policy.users.values()].filter(({ roles }) => !roles.includes(rootName)).length
  return [
    ...[...policy.roles.values()].flatMap((role) => grantFindings(policy, role)),
    ...[...reaches.values()].flatMap((reach) => roleFindings(reach, { extended, ordinaryUsers })),
    ...wideFindings(policy, reaches),
    ...holderFindings(policy, reaches),
    ...sharedWrites(reaches.values()),
    ...oddNames(policy),
  ].sort((a, b) => a.place.line - b.place.line || a.place.column - b.place.column)
}

/** Names that look like others. */
function oddNames({ roles, users, groups }: Policy): Finding[] {
  const kinds = { role: roles, user: users, group: groups } as const
  return Object.entries(kinds).flatMap(([kind, all]) =>
    [...all.values()]
      .filter(({ name }) => isOddText(name))
      .map(({ name, place }) => finding('odd-name', place, `the name of the ${kind} ${quoted(name)} has ${oddText}`)),
  )
}
