import { type Index, noMember, type Term } from '../base/ids.ts'
import { agreementCandidate, commitTo, lastConfChange, merge, noEntries, restore, restored, termAt } from './log.ts'
import { commitEarlierConfChanges, type Raft, send } from './state.ts'
import { type Entry, type EntryId, type Message, MessageKind } from './types.ts'

/**
 * Takes a leader's entries into the log, or says where the logs may agree.
 *
 * @source Raft paper fig. 2, AppendEntries; 5.3 for the hint.
 */
export function handleAppend(raft: Raft, message: Message): 'accepted' | 'dropped' {
  const { log } = raft
  const prev = message.index ?? 0
  const logTerm = message.logTerm ?? 0
  const entries = message.entries ?? noEntries
  if (!followEachOther(entries, prev, logTerm, message.term)) return 'dropped'
  if (raft.conf.voters.length === 0) {
    // A member that joins knows neither the first configuration nor the first state: entries mean nothing to it.
    rejectAppend(raft, prev, 0)
  } else if (prev < log.commit) {
    // Held up on its way, or sent by a leader that does not know how far we are.
    acknowledgeAppend(raft, log.commit)
  } else if (termAt(log, prev) === logTerm) {
    merge(log, prev, entries)
    if (lastConfChange(log, prev, prev + entries.length) !== null) commitEarlierConfChanges(raft)
    const last = prev + entries.length
    commitTo(log, Math.min(message.commit ?? 0, last))
    acknowledgeAppend(raft, last)
  } else {
    rejectAppend(raft, prev, logTerm)
  }
  return 'accepted'
}

function followEachOther(entries: readonly Entry[], prev: Index, prevTerm: Term, messageTerm: Term): boolean {
  let index = prev
  let term = prevTerm
  for (const entry of entries) {
    if (entry.index !== index + 1 || entry.term < term || entry.term > messageTerm) return false
    index = entry.index
    term = entry.term
  }
  return true
}

/** Tells the leader that this log equals its own up to `index`; not before a snapshot that is part of that is installed. */
function acknowledgeAppend(raft: Raft, index: Index): void {
  if (raft.incoming === null) {
    send(raft, { kind: MessageKind.AppendResponse, to: raft.leader, term: raft.term, index })
  } else if (raft.heldAck.term < raft.term || raft.heldAck.index < index) {
    raft.heldAck = { term: raft.term, index }
  }
}

function rejectAppend(raft: Raft, prev: Index, logTerm: Term): void {
  const hint = agreementCandidate(raft.log, prev, logTerm)
  send(raft, {
    kind: MessageKind.AppendResponse,
    to: raft.leader,
    term: raft.term,
    index: prev,
    reject: true,
    rejectHint: hint.index,
    logTerm: hint.term,
  })
}

/**
 * A heartbeat's commit mark is at or below what this member has acknowledged. If the log does not hold it, it was lost
 * (a wiped disk): nothing is committed on the strength of it, and the leader is told.
 */
export function handleHeartbeat(raft: Raft, message: Message): void {
  const { log } = raft
  const commit = message.commit ?? 0
  const logTerm = message.logTerm ?? 0
  send(raft, {
    kind: MessageKind.HeartbeatResponse,
    to: message.from,
    term: raft.term,
    context: message.context ?? 0n,
  })
  if (commit <= log.commit) return
  // Term 0: the leader has compacted that far and cannot tell.
  const held = commit <= log.lastIndex && (logTerm === 0 || termAt(log, commit) === logTerm)
  if (held) commitTo(log, commit)
  else rejectAppend(raft, commit, logTerm === 0 ? raft.term : logTerm)
}

/**
 * A leader sends its state because the entries this member needs are gone.
 *
 * @returns `'accepted'` if the next Ready asks to install it; `'dropped'` if it is not wanted.
 */
export function handleSnapshot(raft: Raft, message: Message): 'accepted' | 'dropped' {
  const { log } = raft
  const meta = message.snapshot
  if (meta === undefined) return 'dropped'
  if (meta.index <= log.commit) {
    acknowledgeAppend(raft, log.commit)
    return 'dropped'
  }
  if (termAt(log, meta.index) === meta.term) {
    // The entries are here already, and cheaper to apply than a whole state.
    commitTo(log, meta.index)
    acknowledgeAppend(raft, meta.index)
    return 'dropped'
  }
  const { voters, learners } = meta.confState
  // Removed since: the state of a cluster is none of a stranger's business.
  if (!voters.includes(raft.id) && !learners.includes(raft.id)) return 'dropped'
  // What was promised of entries that are dropped here, unwritten, must not leave.
  raft.messagesAfterPersist = raft.messagesAfterPersist.filter(({ kind }) => kind !== MessageKind.AppendResponse)
  restore(log, meta)
  raft.conf = meta.confState
  raft.confApplied = meta.index
  raft.incoming = { meta, taken: false }
  raft.heldAck = { term: raft.term, index: meta.index }
  return 'accepted'
}

/** The received state is in place and durable: from here on this member counts as having it. */
export function handleSnapshotInstalled(raft: Raft, installed: EntryId): 'accepted' | 'dropped' {
  const meta = raft.incoming?.meta
  if (meta === undefined || meta.index !== installed.index || meta.term !== installed.term) return 'dropped'
  raft.incoming = null
  restored(raft.log, meta.index)
  const index = raft.heldAck.term === raft.term ? Math.max(raft.heldAck.index, meta.index) : meta.index
  if (raft.leader !== noMember) acknowledgeAppend(raft, index)
  return 'accepted'
}
