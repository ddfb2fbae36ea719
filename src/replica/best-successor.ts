import type { MemberId } from '../base/ids.ts'
import type { MemberProgress, RaftStatus } from '../raft/index.ts'

/**
 * The voter that has most of the leader's log among those heard of lately, and of equals the one heard of last; null if
 * there is none, or none leads here.
 */
export function bestSuccessor({ id: self, confState, progress }: RaftStatus): MemberId | null {
  let best: MemberId | null = null
  let bestProgress: MemberProgress | null = null
  for (const [id, each] of progress ?? []) {
    if (id === self || !each.recentActive || !confState.voters.includes(id)) continue
    if (bestProgress !== null && !isBetter(each, bestProgress)) continue
    best = id
    bestProgress = each
  }
  return best
}

const isBetter = (one: MemberProgress, other: MemberProgress): boolean =>
  one.match === other.match ? one.silentTicks < other.silentTicks : one.match > other.match
