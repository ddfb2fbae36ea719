import type { Applied } from '../apply/apply.ts'
import type { WatchEvent } from '../apply/outcome.ts'

/** What one replica has counted since it was made; nothing that the cluster agrees on. */
export interface ReplicaCounts {
  /** Times that a leader appeared. */
  readonly leaderChanges: number
  /** Proposals of this member that wait for their verdict. */
  readonly proposalsPending: number
  /** Those that got none in time. */
  readonly proposalsFailed: number
  /** Rounds of read barriers that were not answered at once, and were asked again. */
  readonly slowReadRounds: number
  /** Read barriers that were not answered in time. */
  readonly readsFailed: number
  /** Applied here, whoever proposed them. */
  readonly puts: number
  readonly deletes: number
  readonly leasesGranted: number
  readonly leasesRevoked: number
  /** Revocations that this member proposed as leader because the time was up. */
  readonly leasesExpired: number
  /** A snapshot takes the place of the state just now. */
  readonly installing: boolean
}

/** The counts of what is applied. */
export class AppliedCounts {
  puts = 0
  deletes = 0
  leasesGranted = 0
  leasesRevoked = 0

  add(events: readonly WatchEvent[], applied: readonly Applied[]): void {
    let deletes = 0
    for (const { type } of events) if (type === 'delete') deletes++
    this.deletes += deletes
    this.puts += events.length - deletes
    for (const { leaseChanges } of applied) {
      for (const { kind } of leaseChanges) {
        if (kind === 'granted') this.leasesGranted++
        else if (kind === 'revoked') this.leasesRevoked++
      }
    }
  }
}
