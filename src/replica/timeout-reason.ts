import { type MemberId, noMember } from '../base/ids.ts'
import type { EtcdErrorReason } from '../errors.ts'

/** What a member knows when a write has got no answer in time. */
export interface TimeoutCircumstances {
  readonly self: MemberId
  readonly voters: readonly MemberId[]
  /** Now; `noMember` if there is none. */
  readonly leader: MemberId
  /** When the newest leader was elected, as far as this member has seen; null: it has seen none. */
  readonly electedMs: number | null
  readonly electionTimeoutMs: number
  readonly nowMs: number
  /** Milliseconds for which the connection to another member has been up; null while it is down. */
  connectedMs(member: MemberId): number | null
}

/**
 * Tells a client which failure it probably ran into, as etcd does: a write that came in the time in which the last
 * leader must have failed met its end; one that came while the leader could not be reached, or a majority by the leader,
 * met that. Without a leader there is nothing to say.
 *
 * @param startMs when the write was proposed.
 * @source etcd 3.4 server, parseProposeCtxErr.
 */
export function timeoutReason(startMs: number, circumstances: TimeoutCircumstances): EtcdErrorReason {
  const { self, voters, leader, electedMs, electionTimeoutMs, nowMs } = circumstances
  if (electedMs !== null && startMs > electedMs - 2 * electionTimeoutMs && startMs < electedMs) {
    return 'timeoutLeaderFailure'
  }
  if (leader === noMember) return 'timeout'
  const isReached = (member: MemberId): boolean =>
    member === self || (circumstances.connectedMs(member) ?? Number.NEGATIVE_INFINITY) > nowMs - startMs
  const needed = leader === self ? voters : [leader]
  const reached = needed.filter(isReached).length
  return reached >= Math.floor(needed.length / 2) + 1 ? 'timeout' : 'timeoutConnectionLost'
}
