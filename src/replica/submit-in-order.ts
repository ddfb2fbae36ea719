import type { Proposal } from '../raft/types.ts'

/**
 * Offers proposals in batches and in order, until one batch is refused. A membership change goes alone: raft may refuse
 * it while another is pending, and must not refuse others with it.
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
  const next = proposals.findIndex((proposal, at) => at > from && proposal.type === 'confChange')
  return next === -1 ? proposals.length : next
}
