import { assert, unreachable } from '../base/assert.ts'
import { noMember } from '../base/ids.ts'
import { believesInLeader, handleVoteRequest, handleVoteResponse, tickElection } from './election.ts'
import { handleAppend, handleHeartbeat, handleSnapshot, handleSnapshotInstalled } from './following.ts'
import { tickLeader } from './heartbeat.ts'
import { acknowledgeWrite, compact } from './log.ts'
import { handleConfChangeApplied } from './membership.ts'
import { handleForwarded, propose } from './proposing.ts'
import { handleReadRequest, handleReadResponse, requestRead } from './read-index.ts'
import {
  acknowledgeOwn,
  handleAppendResponse,
  handleHeartbeatResponse,
  handleSnapshotReport,
  handleUnreachable,
} from './replication.ts'
import { becomeFollower } from './roles.ts'
import { isMember, type Raft, send } from './state.ts'
import { handleTimeoutNow, transferLeader } from './transfer.ts'
import { type EntryId, type Input, type Message, MessageKind } from './types.ts'

type Verdict = 'accepted' | 'dropped'

/**
 * Advances one member by one input. Changes `raft` and nothing else: no IO, no clock, and no randomness but
 * `options.random`. Effects wait in `takeReady`.
 *
 * @returns `'dropped'` if the input had no effect: there is no leader, the member is over its limits, the message is old
 * or makes no sense. Whoever proposed may try again.
 * @throws InvariantError if the input contradicts what is committed (a bug or a damaged disk): stop the member.
 * @source Raft thesis ch. 3, 4, 6.4, 9.6, 10.2.1; names of messages and states as in etcd's raft.
 */
export function step(raft: Raft, input: Input): Verdict {
  switch (input.kind) {
    case 'tick':
      if (raft.role === 'leader') tickLeader(raft)
      else tickElection(raft)
      return 'accepted'
    case 'receive':
      return receive(raft, input.message)
    case 'propose':
      return propose(raft, input.proposals)
    case 'readIndex':
      return requestRead(raft, input.context)
    case 'transferLeader':
      return transferLeader(raft, input.to)
    case 'persisted':
      return persisted(raft, input.last)
    case 'applied':
      assert(input.index <= raft.log.delivered, `entry ${input.index} was applied before it was handed out`)
      raft.log.applied = Math.max(raft.log.applied, input.index)
      return 'accepted'
    case 'confChangeApplied':
      handleConfChangeApplied(raft, input.change)
      return 'accepted'
    case 'snapshotInstalled':
      return handleSnapshotInstalled(raft, input.snapshot)
    case 'snapshotReport':
    case 'unreachable': {
      const progress = raft.progress.get(input.to)
      if (progress === undefined) return 'dropped'
      if (input.kind === 'unreachable') handleUnreachable(progress)
      else handleSnapshotReport(progress, input.ok)
      return 'accepted'
    }
    case 'compactLog':
      compact(raft.log, input.index)
      return 'accepted'
    default:
      return unreachable(input, 'raft input')
  }
}

function persisted(raft: Raft, last: EntryId): Verdict {
  if (!acknowledgeWrite(raft.log, last)) return 'dropped'
  if (last.term === raft.term) raft.termDurable = true
  if (raft.role === 'leader') acknowledgeOwn(raft)
  return 'accepted'
}

function receive(raft: Raft, message: Message): Verdict {
  const { kind, from, term } = message
  if (message.to !== raft.id || from === raft.id || from === noMember) return 'dropped'
  // Requests of clients that another member passes on. Nobody learns of a term by them.
  if (kind === MessageKind.Propose) return handleForwarded(raft, message)
  if (kind === MessageKind.ReadIndex) return handleReadRequest(raft, message)
  // A stranger's requests must be heard, this member's configuration may be the older one. Its answers need not.
  if (isAnswer(message) && !isMember(raft, from)) return 'dropped'
  if (term < raft.term) {
    answerOldTerm(raft, message)
    return 'dropped'
  }
  if (term > raft.term) {
    const asksForVote = kind === MessageKind.Vote || kind === MessageKind.PreVote
    if (asksForVote && !message.campaignTransfer && believesInLeader(raft)) return 'dropped'
    // A pre-vote is about a term that nobody is in yet.
    const hypothetical =
      kind === MessageKind.PreVote || (kind === MessageKind.PreVoteResponse && message.reject !== true)
    if (!hypothetical) becomeFollower(raft, term, isFromLeader(message) ? from : noMember)
  }
  return receiveInTerm(raft, message)
}

function receiveInTerm(raft: Raft, message: Message): Verdict {
  switch (message.kind) {
    case MessageKind.Append:
      return heedLeader(raft, message) ? handleAppend(raft, message) : 'dropped'
    case MessageKind.Snapshot:
      return heedLeader(raft, message) ? handleSnapshot(raft, message) : 'dropped'
    case MessageKind.Heartbeat:
      if (!heedLeader(raft, message)) return 'dropped'
      handleHeartbeat(raft, message)
      return 'accepted'
    case MessageKind.Vote:
    case MessageKind.PreVote:
      handleVoteRequest(raft, message)
      return 'accepted'
    case MessageKind.VoteResponse:
    case MessageKind.PreVoteResponse:
      return handleVoteResponse(raft, message)
    case MessageKind.AppendResponse:
      return handleAppendResponse(raft, message)
    case MessageKind.HeartbeatResponse:
      return handleHeartbeatResponse(raft, message)
    case MessageKind.ReadIndexResponse:
      return handleReadResponse(raft, message)
    case MessageKind.TimeoutNow:
      return handleTimeoutNow(raft, message)
    default:
      return 'dropped'
  }
}

/** A term has one leader: whoever still campaigned in it has lost, and who followed another would be a liar's victim. */
function heedLeader(raft: Raft, { from, term }: Message): boolean {
  if (raft.role === 'leader' || (raft.leader !== noMember && raft.leader !== from)) return false
  if (raft.role !== 'follower') becomeFollower(raft, term, from)
  raft.leader = from
  raft.electionElapsed = 0
  return true
}

/** The sender is behind; learning the term is what it needs to get on. A stuck leader then steps down (thesis 9.6). */
function answerOldTerm(raft: Raft, message: Message): void {
  const to = message.from
  const { term } = raft
  if (isFromLeader(message)) send(raft, { kind: MessageKind.AppendResponse, to, term, index: 0 })
  else if (message.kind === MessageKind.Vote) send(raft, { kind: MessageKind.VoteResponse, to, term, reject: true })
  else if (message.kind === MessageKind.PreVote)
    send(raft, { kind: MessageKind.PreVoteResponse, to, term, reject: true })
}

function isFromLeader({ kind }: Message): boolean {
  return kind === MessageKind.Append || kind === MessageKind.Heartbeat || kind === MessageKind.Snapshot
}

function isAnswer({ kind }: Message): boolean {
  switch (kind) {
    case MessageKind.AppendResponse:
    case MessageKind.HeartbeatResponse:
    case MessageKind.VoteResponse:
    case MessageKind.PreVoteResponse:
      return true
    default:
      return false
  }
}
