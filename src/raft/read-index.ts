import { type MemberId, noMember } from '../base/ids.ts'
import { sendHeartbeats } from './heartbeat.ts'
import { termAt } from './log.ts'
import { quorumValue } from './quorum.ts'
import { isMember, isOnlyVoter, type Raft, type Read, send } from './state.ts'
import { type Message, MessageKind } from './types.ts'

/** Reads that a leader keeps waiting, confirmed or not; more are dropped, and their askers try again. */
const readsMax = 10_000

/**
 * Asks for a read barrier on behalf of this member.
 *
 * @source Raft thesis 6.4.
 */
export function requestRead(raft: Raft, context: bigint): 'accepted' | 'dropped' {
  if (raft.role === 'leader') return addRead(raft, raft.id, context)
  if (raft.leader === noMember) return 'dropped'
  send(raft, { kind: MessageKind.ReadIndex, to: raft.leader, term: raft.term, context })
  return 'accepted'
}

/** A follower asks. Only a leader knows; whoever is none any more stays silent, and the asker tries again. */
export function handleReadRequest(raft: Raft, message: Message): 'accepted' | 'dropped' {
  if (raft.role !== 'leader' || !isMember(raft, message.from)) return 'dropped'
  return addRead(raft, message.from, message.context ?? 0n)
}

function addRead(raft: Raft, from: MemberId, context: bigint): 'accepted' | 'dropped' {
  let held = raft.readsWaiting.length
  for (const round of raft.readRounds) held += round.reads.length
  if (held >= readsMax) return 'dropped'
  raft.readsWaiting.push({ from, context })
  return 'accepted'
}

export function handleReadResponse(raft: Raft, message: Message): 'accepted' | 'dropped' {
  if (message.from !== raft.leader) return 'dropped'
  raft.readStates.push({ context: message.context ?? 0n, index: message.index ?? 0 })
  return 'accepted'
}

/** Until it has committed in its own term a leader's commit index may be behind what an earlier leader has confirmed. */
export const canBeginReadRound = (raft: Raft): boolean =>
  raft.role === 'leader' && raft.readsWaiting.length > 0 && termAt(raft.log, raft.log.commit) === raft.term

/**
 * Leader: all reads that wait share one round of heartbeats, whose answers say that no newer leader had been elected
 * when the round began. A later round's answer is as good.
 */
export function beginReadRound(raft: Raft): void {
  const reads = raft.readsWaiting
  raft.readsWaiting = []
  const index = raft.log.commit
  if (isOnlyVoter(raft)) {
    for (const read of reads) answerRead(raft, read, index)
    return
  }
  raft.readRoundLast++
  raft.readRounds.push({ id: raft.readRoundLast, index, reads })
  sendHeartbeats(raft)
}

/** Leader: answers the rounds that a majority has confirmed. */
export function confirmReads(raft: Raft): void {
  const confirmed: number[] = []
  for (const id of raft.conf.voters) {
    confirmed.push(id === raft.id ? raft.readRoundLast : (raft.progress.get(id)?.readAck ?? 0))
  }
  const last = quorumValue(confirmed)
  let done = 0
  for (const round of raft.readRounds) {
    if (round.id > last) break
    for (const read of round.reads) answerRead(raft, read, round.index)
    done++
  }
  if (done > 0) raft.readRounds.splice(0, done)
}

function answerRead(raft: Raft, { from, context }: Read, index: number): void {
  if (from === raft.id) raft.readStates.push({ context, index })
  else send(raft, { kind: MessageKind.ReadIndexResponse, to: from, term: raft.term, context, index })
}
