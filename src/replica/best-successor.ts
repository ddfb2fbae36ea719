import type { MemberId } from '../base/ids.ts'
import type { RaftStatus } from '../raft/index.ts'

/** The voter that has most of the leader's log among those heard of lately; null if there is none, or none leads here. */
export function bestSuccessor({ id: self, confState, progress }: RaftStatus): MemberId | null {
  let best: { readonly id: MemberId; readonly match: number } | null = null
  for (const [id, { match, recentActive }] of progress ?? []) {
    if (id === self || !recentActive || !confState.voters.includes(id)) continue
    if (!best || match > best.match) best = { id, match }
  }
  return best?.id ?? null
}
