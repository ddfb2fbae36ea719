import { assert } from '../base/assert.ts'
import { emptyBytes } from '../base/bytes.ts'
import { type MemberId, noMember, type Term } from '../base/ids.ts'
import { append, entriesBetween, entrySizeBytes, lastConfChange } from './log.ts'
import { acknowledge, createProgress, type Progress } from './progress.ts'
import { drawElectionTimeout, type Raft } from './state.ts'
import type { Proposal, Role } from './types.ts'

function enterRole(raft: Raft, role: Role, leader: MemberId): void {
  raft.role = role
  raft.leader = leader
  raft.electionElapsed = 0
  raft.heartbeatElapsed = 0
  drawElectionTimeout(raft)
  raft.votes.clear()
  raft.progress.clear()
  raft.transferee = noMember
  raft.uncommittedBytes = 0
  raft.appendsDue = false
  raft.readsWaiting = []
  raft.readRounds = []
}

function enterTerm(raft: Raft, term: Term, vote: MemberId): void {
  raft.term = term
  raft.vote = vote
  raft.termDurable = false
}

/** @param leader of `term`, or nobody if it is not known. */
export function becomeFollower(raft: Raft, term: Term, leader: MemberId): void {
  assert(term >= raft.term, `term would fall from ${raft.term} to ${term}`)
  if (term > raft.term) enterTerm(raft, term, noMember)
  enterRole(raft, 'follower', leader)
}

/** Term and vote stay as they are: asking beforehand must not disturb anybody (thesis 9.6). */
export function becomePreCandidate(raft: Raft): void {
  enterRole(raft, 'preCandidate', noMember)
  raft.votes.set(raft.id, 'granted')
}

export function becomeCandidate(raft: Raft): void {
  enterTerm(raft, raft.term + 1, raft.id)
  enterRole(raft, 'candidate', noMember)
  raft.votes.set(raft.id, 'granted')
}

/** Begins the term with an empty entry: only with an entry of its own term committed does a leader know what is committed. */
export function becomeLeader(raft: Raft): void {
  const { log, conf } = raft
  enterRole(raft, 'leader', raft.id)
  for (const id of conf.voters) addProgress(raft, id)
  for (const id of conf.learners) addProgress(raft, id)
  const self = raft.progress.get(raft.id)
  assert(self !== undefined, 'a leader is a member')
  acknowledge(self, log.stable)
  self.state = 'replicate'
  raft.confProposed = lastConfChange(log, raft.confApplied, log.lastIndex) ?? 0
  for (const entry of entriesBetween(log, log.commit, log.lastIndex)) raft.uncommittedBytes += entrySizeBytes(entry)
  appendOwn(raft, [{ type: 'normal', data: emptyBytes }])
}

/** A new progress; it counts as heard from, so that a new leader does not give up before anybody could answer. */
export function addProgress(raft: Raft, id: MemberId): Progress {
  const progress = createProgress(id, raft.log.lastIndex + 1, raft.options.inflightMax)
  raft.progress.set(id, progress)
  return progress
}

/** Leader: appends entries of its term; they go to the followers with the next Ready. */
export function appendOwn(raft: Raft, proposals: readonly Proposal[]): void {
  const { log, term } = raft
  let index = log.lastIndex
  const entries = []
  for (const { type, data } of proposals) {
    index++
    const entry = { term, index, type, data }
    raft.uncommittedBytes += entrySizeBytes(entry)
    if (type === 'confChange') raft.confProposed = index
    entries.push(entry)
  }
  append(log, entries)
  raft.appendsDue = true
}
