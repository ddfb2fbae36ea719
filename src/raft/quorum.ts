/** How many of `voters` make a majority. Of no voters there is none: the answer is then more than there are. */
export const quorumSize = (voters: number): number => Math.floor(voters / 2) + 1

/** The highest value that a majority has reached; 0 if there are no values. Reorders `values`. */
export function quorumValue(values: number[]): number {
  // Insertion sort, descending: there are seldom more than seven.
  for (let i = 1; i < values.length; i++) {
    const value = values[i]!
    let at = i
    for (; at > 0 && values[at - 1]! < value; at--) values[at] = values[at - 1]!
    values[at] = value
  }
  return values[quorumSize(values.length) - 1] ?? 0
}

/** `weak` is a vote of a member whose log is empty, for a candidate whose log is not. */
export type Ballot = 'granted' | 'weak' | 'rejected'

/**
 * How an election stands.
 *
 * An empty log may be one that was lost together with entries that this member had acknowledged and votes that it had
 * cast. So weak votes count only as far as the others alone still meet every majority that may have committed
 * something: at least `voters - quorum + 1` full votes. With an odd number of voters that is a majority of full votes;
 * with an even one, one voter may be new and empty. Without that exception a cluster of one could never grow: the
 * second voter is empty, and from the moment it is a voter the first cannot be elected without it.
 *
 * @param ballots one for each voter, `undefined` if it has not answered.
 */
export function electionResult(ballots: readonly (Ballot | undefined)[]): 'won' | 'lost' | 'open' {
  const quorum = quorumSize(ballots.length)
  const fullNeeded = ballots.length - quorum + 1
  let full = 0
  let weak = 0
  let open = 0
  for (const ballot of ballots) {
    if (ballot === 'granted') full++
    else if (ballot === 'weak') weak++
    else if (ballot === undefined) open++
  }
  if (full + weak >= quorum && full >= fullNeeded) return 'won'
  if (full + weak + open < quorum || full + open < fullNeeded) return 'lost'
  return 'open'
}
