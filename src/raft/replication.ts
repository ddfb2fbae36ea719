import type { Index } from '../base/ids.ts'
import { addInflight, freeFirst, freeUpTo, isFull } from './inflights.ts'
import {
  agreementCandidate,
  batchAfter,
  commitTo,
  entriesBetween,
  entrySizeBytes,
  noEntries,
  termAt,
  unknownTerm,
} from './log.ts'
import {
  acknowledge,
  becomeProbe,
  becomeReplicate,
  becomeSnapshot,
  isActive,
  isPaused,
  type Progress,
  reject,
} from './progress.ts'
import { quorumValue } from './quorum.ts'
import { confirmReads } from './read-index.ts'
import { type Raft, send } from './state.ts'
import { timeoutTransferee } from './transfer.ts'
import { type Entry, type Message, MessageKind } from './types.ts'

/** Batches of one round of appends: followers that are equally far share the array, and its encoding. */
interface Batch {
  after: Index
  entries: readonly Entry[]
}

/** Leader: tells every follower what it can be told now. */
export function sendAppends(raft: Raft): void {
  raft.appendsDue = false
  const batch: Batch = { after: -1, entries: noEntries }
  for (const progress of raft.progress.values()) {
    if (progress.id === raft.id) continue
    while (sendAppend(raft, progress, batch, false)) {}
  }
}

/**
 * Sends one append, or asks the driver for a snapshot if entries it would need are gone.
 *
 * @param force also if it would say nothing new: the answer says whether the follower has what it was sent.
 * @returns whether another append to this follower may be worth while.
 */
function sendAppend(raft: Raft, progress: Progress, batch: Batch, force: boolean): boolean {
  if (isPaused(progress)) return false
  const { log } = raft
  const prev = progress.next - 1
  const prevTerm = termAt(log, prev)
  if (prevTerm === unknownTerm || progress.needsState) {
    sendSnapshot(raft, progress)
    return false
  }
  if (prev < log.lastIndex && batch.after !== prev) {
    batch.after = prev
    batch.entries = batchAfter(log, prev, raft.options.messageBytesMax)
  }
  const entries = prev < log.lastIndex ? batch.entries : noEntries
  if (entries.length === 0 && !force && Math.min(log.commit, prev) <= progress.commitSent) return false
  const last = prev + entries.length
  send(raft, {
    kind: MessageKind.Append,
    to: progress.id,
    term: raft.term,
    index: prev,
    logTerm: prevTerm,
    entries,
    commit: log.commit,
  })
  progress.commitSent = Math.max(progress.commitSent, Math.min(log.commit, last))
  if (progress.state === 'probe') {
    progress.probeSent = true
    return false
  }
  if (entries.length === 0) return false
  // Sent ahead of the answer (thesis 10.2.1).
  progress.next = last + 1
  addInflight(progress.inflights, last)
  return last < log.lastIndex
}

function sendSnapshot(raft: Raft, progress: Progress): void {
  // A state is large: only for somebody who is there to take it.
  if (!isActive(progress, raft.options.electionTicks) || raft.log.applied === 0) return
  becomeSnapshot(progress, raft.log.applied)
  send(raft, { kind: MessageKind.Snapshot, to: progress.id, term: raft.term })
}

/**
 * Leader: commits what a majority holds, if the last of it is of this term. Entries of earlier terms are committed only
 * together with one of this term: a majority that holds them does not yet keep a later leader from replacing them.
 *
 * @source Raft paper 5.4.2 and fig. 8.
 */
export function advanceCommit(raft: Raft): void {
  const { log } = raft
  const matches: Index[] = []
  for (const id of raft.conf.voters) matches.push(raft.progress.get(id)?.match ?? 0)
  const index = quorumValue(matches)
  const before = log.commit
  if (index <= before || termAt(log, index) !== raft.term) return
  commitTo(log, index)
  for (const entry of entriesBetween(log, before, index)) raft.uncommittedBytes -= entrySizeBytes(entry)
  raft.appendsDue = true
}

/** Leader: its own disk has come further. */
export function acknowledgeOwn(raft: Raft): void {
  const self = raft.progress.get(raft.id)
  if (self !== undefined && acknowledge(self, raft.log.stable)) advanceCommit(raft)
}

export function handleAppendResponse(raft: Raft, message: Message): 'accepted' | 'dropped' {
  const progress = raft.progress.get(message.from)
  if (raft.role !== 'leader' || progress === undefined) return 'dropped'
  progress.silentTicks = 0
  const index = message.index ?? 0
  if (message.reject) handleRejection(raft, progress, message)
  else if (index <= raft.log.lastIndex) handleAcknowledgement(raft, progress, index)
  else return 'dropped'
  return 'accepted'
}

function handleRejection(raft: Raft, progress: Progress, message: Message): void {
  const hint = message.rejectHint ?? 0
  const logTerm = message.logTerm ?? 0
  // Our entries above the follower's term cannot be in its log: skip them all at once.
  const candidate = logTerm > 0 ? agreementCandidate(raft.log, hint, logTerm).index : hint
  if (reject(progress, message.index ?? 0, candidate)) raft.appendsDue = true
}

function handleAcknowledgement(raft: Raft, progress: Progress, index: Index): void {
  const news = acknowledge(progress, index)
  switch (progress.state) {
    case 'probe':
      if (index >= progress.match) becomeReplicate(progress)
      break
    case 'replicate':
      freeUpTo(progress.inflights, index)
      break
    case 'snapshot':
      // What it still lacks is here: the snapshot has arrived, or is not needed any more.
      if (news && progress.match >= raft.log.start.index) becomeReplicate(progress)
      break
  }
  raft.appendsDue = true
  if (!news) return
  advanceCommit(raft)
  timeoutTransferee(raft, progress)
}

export function handleHeartbeatResponse(raft: Raft, message: Message): 'accepted' | 'dropped' {
  const progress = raft.progress.get(message.from)
  if (raft.role !== 'leader' || progress === undefined) return 'dropped'
  progress.silentTicks = 0
  progress.probeSent = false
  // Its window may be full of messages that were lost; one more is enough to find out.
  if (progress.state === 'replicate' && isFull(progress.inflights)) freeFirst(progress.inflights)
  if (progress.match < raft.log.lastIndex || progress.state === 'probe') {
    sendAppend(raft, progress, { after: -1, entries: noEntries }, true)
    raft.appendsDue = true
  }
  const round = Number(message.context ?? 0n)
  if (round > progress.readAck && round <= raft.readRoundLast) {
    progress.readAck = round
    confirmReads(raft)
  }
  return 'accepted'
}

/** The snapshot sent to this member has arrived, or has not. Either way its next answer says where it stands. */
export function handleSnapshotReport(progress: Progress, ok: boolean): void {
  if (progress.state !== 'snapshot') return
  if (!ok) progress.pendingSnapshot = 0
  becomeProbe(progress)
  // If it has arrived, its acknowledgement comes soon. If not, the next heartbeat's answer is early enough to try again.
  progress.probeSent = true
}

/** Messages to this member were lost: those in flight are not worth waiting for. */
export function handleUnreachable(progress: Progress): void {
  if (progress.state === 'replicate') becomeProbe(progress)
}
