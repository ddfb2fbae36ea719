import { deliverable, noEntries, takeCommitted, takeWrites } from './log.ts'
import { beginReadRound, canBeginReadRound } from './read-index.ts'
import { sendAppends } from './replication.ts'
import type { Raft } from './state.ts'
import type { HardState, Message, ReadState, Ready } from './types.ts'

const noMessages: readonly Message[] = Object.freeze([])
const noReadStates: readonly ReadState[] = Object.freeze([])

/** Whether there is anything for the driver to do. */
export function hasReady(raft: Raft): boolean {
  const { log } = raft
  return (
    raft.messages.length > 0 ||
    raft.messagesAfterPersist.length > 0 ||
    raft.readStates.length > 0 ||
    log.written < log.lastIndex ||
    (raft.incoming === null ? deliverable(log) > log.delivered : !raft.incoming.taken) ||
    raft.appendsDue ||
    canBeginReadRound(raft) ||
    hardStateChanged(raft) ||
    softChanged(raft)
  )
}

/**
 * Everything that has become due, each thing once. Several may be taken before the first is persisted; their writes
 * keep their order. Appends and read rounds are made up here, so that all inputs since the last Ready share them.
 *
 * A `hardState` in which only `commit` moved needs no write of its own: after a crash the leader tells it again.
 */
export function takeReady(raft: Raft): Ready {
  const { log } = raft
  if (canBeginReadRound(raft)) beginReadRound(raft)
  if (raft.appendsDue) sendAppends(raft)
  const snapshot = raft.incoming !== null && !raft.incoming.taken ? raft.incoming.meta : null
  if (raft.incoming !== null) raft.incoming.taken = true
  const { messages, messagesAfterPersist, readStates } = raft
  if (messages.length > 0) raft.messages = []
  if (messagesAfterPersist.length > 0) raft.messagesAfterPersist = []
  if (readStates.length > 0) raft.readStates = []
  return {
    hardState: takeHardState(raft, snapshot !== null),
    entries: takeWrites(log),
    messages: messages.length > 0 ? messages : noMessages,
    messagesAfterPersist: messagesAfterPersist.length > 0 ? messagesAfterPersist : noMessages,
    committed: raft.incoming === null ? takeCommitted(log) : noEntries,
    readStates: readStates.length > 0 ? readStates : noReadStates,
    snapshot,
    soft: takeSoft(raft),
  }
}

function hardStateChanged(raft: Raft): boolean {
  const { term, vote, commit } = raft.handedHardState
  return raft.log.commit !== commit || raft.term !== term || raft.vote !== vote
}

/** @param always a snapshot starts the log on disk anew, which then needs a hard state whether it changed or not. */
function takeHardState(raft: Raft, always: boolean): HardState | null {
  if (!always && !hardStateChanged(raft)) return null
  raft.handedHardState = { term: raft.term, vote: raft.vote, commit: raft.log.commit }
  return raft.handedHardState
}

function softChanged(raft: Raft): boolean {
  const { role, leader, term } = raft.handedSoft
  return raft.role !== role || raft.leader !== leader || raft.term !== term
}

function takeSoft(raft: Raft): Ready['soft'] {
  if (!softChanged(raft)) return null
  raft.handedSoft = { role: raft.role, leader: raft.leader, term: raft.term }
  return raft.handedSoft
}
