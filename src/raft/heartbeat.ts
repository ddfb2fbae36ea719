import { noMember } from '../base/ids.ts'
import { termAt, unknownTerm } from './log.ts'
import { isActive } from './progress.ts'
import { quorumValue } from './quorum.ts'
import { becomeFollower } from './roles.ts'
import { type Raft, send } from './state.ts'
import { MessageKind } from './types.ts'

/** A leader's tick. */
export function tickLeader(raft: Raft): void {
  const { electionTicks, heartbeatTicks } = raft.options
  raft.electionElapsed++
  raft.heartbeatElapsed++
  for (const progress of raft.progress.values()) if (progress.id !== raft.id) progress.silentTicks++
  if (raft.electionElapsed >= electionTicks) {
    raft.electionElapsed = 0
    // Nobody whom it might still reach must believe in a leader that cannot commit (thesis 6.2).
    if (!heardQuorum(raft)) return becomeFollower(raft, raft.term, noMember)
    raft.transferee = noMember
  }
  if (raft.heartbeatElapsed >= heartbeatTicks) sendHeartbeats(raft)
}

function heardQuorum(raft: Raft): boolean {
  const heard: number[] = []
  for (const id of raft.conf.voters) {
    const progress = raft.progress.get(id)
    heard.push(progress !== undefined && isActive(progress, raft.options.electionTicks) ? 1 : 0)
  }
  return quorumValue(heard) === 1
}

/**
 * Heartbeats carry what is committed of that which the receiver has acknowledged, with its term: a receiver that has
 * lost it can tell. The context is the newest unconfirmed read round; confirming it confirms all before.
 */
export function sendHeartbeats(raft: Raft): void {
  const { log } = raft
  raft.heartbeatElapsed = 0
  const context = raft.readRounds.length > 0 ? BigInt(raft.readRoundLast) : 0n
  for (const progress of raft.progress.values()) {
    if (progress.id === raft.id) continue
    const commit = Math.min(progress.match, log.commit)
    const logTerm = termAt(log, commit)
    send(raft, {
      kind: MessageKind.Heartbeat,
      to: progress.id,
      term: raft.term,
      commit,
      logTerm: logTerm === unknownTerm ? 0 : logTerm,
      context,
    })
  }
}
