import { noMember } from '../base/ids.ts'
import { commitTo, termAt } from './log.ts'
import { type Ballot, electionResult } from './quorum.ts'
import { becomeCandidate, becomeFollower, becomeLeader, becomePreCandidate } from './roles.ts'
import { hasUnappliedConfChange, isOnlyVoter, isVoter, type Raft, send } from './state.ts'
import { type Message, MessageKind } from './types.ts'

/** A follower's or candidate's tick. */
export function tickElection(raft: Raft): void {
  raft.electionElapsed++
  // Nobody else can lead: waiting would only delay the start.
  const due = isOnlyVoter(raft) || raft.electionElapsed >= raft.electionTimeoutTicks
  if (!due) return
  if (mayCampaign(raft)) campaign(raft)
  else if (raft.leader !== noMember) {
    // A learner cannot replace a leader that went silent, but it can stop to believe in it.
    raft.leader = noMember
  }
}

export const mayCampaign = (raft: Raft): boolean =>
  isVoter(raft, raft.id) && raft.incoming === null && !hasUnappliedConfChange(raft)

function campaign(raft: Raft): void {
  if (raft.options.preVote && !isOnlyVoter(raft)) {
    becomePreCandidate(raft)
    askForVotes(raft, MessageKind.PreVote, false)
  } else stand(raft, false)
}

/** @param campaignTransfer the leader asked for it: the others need not believe that it is gone. */
export function stand(raft: Raft, campaignTransfer: boolean): void {
  becomeCandidate(raft)
  if (isOnlyVoter(raft)) becomeLeader(raft)
  else askForVotes(raft, MessageKind.Vote, campaignTransfer)
}

function askForVotes(raft: Raft, kind: typeof MessageKind.Vote | typeof MessageKind.PreVote, transfer: boolean): void {
  const { lastIndex, lastTerm } = raft.log
  const term = kind === MessageKind.PreVote ? raft.term + 1 : raft.term
  for (const to of raft.conf.voters) {
    if (to === raft.id) continue
    const request = { kind, to, term, index: lastIndex, logTerm: lastTerm }
    send(raft, transfer ? { ...request, campaignTransfer: true } : request)
  }
}

/**
 * Whether this member has heard a leader so recently that no vote may be given: else a member that the leader cannot
 * reach, or that was removed, could depose it (thesis 4.2.3).
 */
export const believesInLeader = (raft: Raft): boolean =>
  raft.leader !== noMember && raft.electionElapsed < raft.options.electionTicks

/**
 * Answers Vote and PreVote of this term (PreVote: also of a later one, which is not taken over).
 *
 * The answer carries this member's last index: a candidate with a log must treat the vote of an empty one with care,
 * see `electionResult`.
 *
 * @source Raft paper 5.2, 5.4.1; thesis 9.6.
 */
export function handleVoteRequest(raft: Raft, message: Message): void {
  const { log } = raft
  const pre = message.kind === MessageKind.PreVote
  const index = message.index ?? 0
  const logTerm = message.logTerm ?? 0
  const free =
    raft.vote === message.from ||
    (raft.vote === noMember && raft.leader === noMember) ||
    (pre && message.term > raft.term)
  const upToDate = logTerm > log.lastTerm || (logTerm === log.lastTerm && index >= log.lastIndex)
  const grant = free && upToDate
  if (grant && !pre) {
    raft.electionElapsed = 0
    raft.vote = message.from
  }
  send(raft, {
    kind: pre ? MessageKind.PreVoteResponse : MessageKind.VoteResponse,
    to: message.from,
    // A granted pre-vote is for the term that was asked about; a refusal tells the asker ours.
    term: grant ? message.term : raft.term,
    index: log.lastIndex,
    commit: log.commit,
    logTerm: termAt(log, log.commit),
    reject: !grant,
  })
}

/** An answer to this member's campaign. */
export function handleVoteResponse(raft: Raft, message: Message): 'accepted' | 'dropped' {
  const pre = message.kind === MessageKind.PreVoteResponse
  if (raft.role !== 'leader') learnCommit(raft, message)
  if (raft.role !== (pre ? 'preCandidate' : 'candidate')) return 'dropped'
  // An answer to an earlier campaign.
  if (pre && !message.reject && message.term !== raft.term + 1) return 'dropped'
  if (!isVoter(raft, message.from) || raft.votes.has(message.from)) return 'dropped'
  raft.votes.set(message.from, ballot(raft, message))
  // The request left only after this term and the own vote were on disk.
  if (!pre) raft.termDurable = true
  countVotes(raft)
  return 'accepted'
}

/**
 * A voter says what it knows to be committed. It matters when a leader has removed itself: whoever stays may need a vote
 * of the removed one, which has the longer log and refuses, until it learns that the removal is committed.
 */
function learnCommit(raft: Raft, { commit = 0, logTerm = 0 }: Message): void {
  const { log } = raft
  if (commit <= log.commit || termAt(log, commit) !== logTerm) return
  commitTo(log, commit)
  if (raft.role !== 'follower' && hasUnappliedConfChange(raft)) becomeFollower(raft, raft.term, noMember)
}

function ballot(raft: Raft, message: Message): Ballot {
  if (message.reject) return 'rejected'
  return (message.index ?? 0) === 0 && raft.log.lastIndex > 0 ? 'weak' : 'granted'
}

function countVotes(raft: Raft): void {
  switch (electionResult(raft.conf.voters.map((id) => raft.votes.get(id)))) {
    case 'won':
      if (raft.role === 'preCandidate') stand(raft, false)
      else becomeLeader(raft)
      break
    case 'lost':
      becomeFollower(raft, raft.term, noMember)
      break
    case 'open':
      break
  }
}
