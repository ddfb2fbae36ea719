import assert from 'node:assert/strict'
import { MessageKind, type Raft } from '../../../src/raft/index.ts'
import { makeRaft, receive, type Start, settle, timeOut } from './make-raft.ts'

/** Makes member 1 the leader of its next term, by votes of all the others; its first entry is on its own disk only. */
export function makeLeader(start: Start = {}): Raft {
  const raft = makeRaft(start)
  timeOut(raft)
  settle(raft)
  const others = raft.conf.voters.map(Number).filter((number) => number !== 1)
  const index = Math.max(1, raft.log.lastIndex)
  for (const from of others) receive(raft, MessageKind.PreVoteResponse, from, { term: raft.term + 1, index })
  settle(raft)
  for (const from of others) receive(raft, MessageKind.VoteResponse, from, { index })
  settle(raft)
  settle(raft)
  assert.equal(raft.role, 'leader')
  return raft
}

/** Acknowledges everything on behalf of `from`. */
export const acknowledgeAll = (raft: Raft, from: number): unknown =>
  receive(raft, MessageKind.AppendResponse, from, { index: raft.log.lastIndex })
