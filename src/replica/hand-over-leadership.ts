import { formatId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import { EtcdError } from '../errors.ts'
import type { Replica } from './replica.ts'

/**
 * The first may go to a follower that has just died, which nobody can tell from the others yet. By the second that one has been
 * silent for longer than they have, and another is chosen (`best-successor.ts`).
 */
const attemptsMax = 2

type Leading = Pick<Replica, 'info' | 'leader' | 'raftStatus' | 'transferLeadership'>

/** Lets the best follower lead, if this member does: nobody waits for an election timeout then. */
export async function handOverLeadership(replica: Leading, log: Log): Promise<void> {
  const isLeading = (): boolean => replica.leader() === replica.info.memberId
  if (!isLeading() || replica.raftStatus().confState.voters.length < 2) return
  for (let attempt = 1; ; attempt++) {
    const error = await new Promise<Error | null>((resolve) => replica.transferLeadership(null, resolve))
    if (error === null) {
      log.info('handed leadership over', { leader: formatId(replica.leader()) })
      return
    }
    log.warn('could not hand leadership over before stopping', { error: error.message, attempt })
    const mayTryAgain = error instanceof EtcdError && error.reason === 'timeoutLeaderFailure' && isLeading()
    if (attempt === attemptsMax || !mayTryAgain) return
  }
}
