import { type MemberId, noMember } from '../base/ids.ts'
import { mayCampaign, stand } from './election.ts'
import type { Progress } from './progress.ts'
import { isVoter, type Raft, send } from './state.ts'
import { type Message, MessageKind } from './types.ts'

/**
 * Leader: lets `to` catch up and then asks it to campaign. Until it has, or an election timeout is over, nothing is
 * proposed.
 *
 * @source Raft thesis 3.10.
 */
export function transferLeader(raft: Raft, to: MemberId): 'accepted' | 'dropped' {
  const progress = raft.progress.get(to)
  if (raft.role !== 'leader' || progress === undefined || to === raft.id || !isVoter(raft, to)) return 'dropped'
  if (raft.transferee === to) return 'accepted'
  raft.transferee = to
  raft.electionElapsed = 0
  if (progress.state === 'probe') progress.probeSent = false
  raft.appendsDue = true
  timeoutTransferee(raft, progress)
  return 'accepted'
}

/** Leader: if leadership goes to this member and it has the whole log, it is time. */
export function timeoutTransferee(raft: Raft, progress: Progress): void {
  if (raft.transferee === noMember || progress.id !== raft.transferee || progress.match < raft.log.lastIndex) return
  send(raft, { kind: MessageKind.TimeoutNow, to: progress.id, term: raft.term })
}

/** The leader wants this member to take over: no pre-vote, and the others need not believe that the leader is gone. */
export function handleTimeoutNow(raft: Raft, message: Message): 'accepted' | 'dropped' {
  const fromLeader = raft.leader === noMember || raft.leader === message.from
  if (raft.role !== 'follower' || !fromLeader || !mayCampaign(raft)) return 'dropped'
  stand(raft, true)
  return 'accepted'
}
