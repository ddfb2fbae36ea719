import { limits } from '../base/limits.ts'
import type { Proposal } from '../raft/types.ts'

/**
 * Offers proposals in batches and in order, until one batch is refused. A membership change goes alone: raft may refuse
 * it while another is pending, and must not refuse others with it. Nor has a batch more bytes than other messages: what has
 * gathered while there was no leader may be more than fits into a frame, or than a peer's queue takes.
 *
 * @returns the rest, from the first refused batch on.
 */
export function submitInOrder<P extends Proposal>(
  proposals: readonly P[],
  accept: (batch: readonly P[]) => boolean,
): readonly P[] {
  let from = 0
  while (from < proposals.length) {
    const to = endOfBatch(proposals, from)
    if (!accept(from === 0 && to === proposals.length ? proposals : proposals.slice(from, to)))
      return proposals.slice(from)
    from = to
  }
  return []
}

function endOfBatch(proposals: readonly Proposal[], from: number): number {
  if (proposals[from]!.type === 'confChange') return from + 1
  let bytes = 0
  let to = from
  while (to < proposals.length && proposals[to]!.type !== 'confChange') {
    bytes += proposals[to]!.data.length
    // Something must always go, however large.
    if (bytes > limits.raftMessageBytesMax && to > from) break
    to++
  }
  return to
}
