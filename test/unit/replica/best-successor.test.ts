import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageKind, type Raft, raftStatus, step } from '../../../src/raft/index.ts'
import { bestSuccessor } from '../../../src/replica/best-successor.ts'
import { acknowledgeAll, makeLeader } from '../raft/lead.ts'
import { id, propose, receive, settle } from '../raft/make-raft.ts'

const successor = (raft: Raft) => bestSuccessor(raftStatus(raft))
const electionTicks = 10

test('at no tick is a leader that hears of all without a successor', () => {
  const raft = makeLeader()
  for (let tick = 0; tick < 3 * electionTicks; tick++) {
    step(raft, { kind: 'tick' })
    // A stop may come before the answers to the heartbeat, also right after the check of the quorum.
    assert.notEqual(successor(raft), null, `tick ${tick}`)
    settle(raft)
    for (const other of [2, 3]) receive(raft, MessageKind.HeartbeatResponse, other)
  }
})

test('the one with most of the log, then the one heard of last, and nobody who has been silent for long', () => {
  const raft = makeLeader()
  acknowledgeAll(raft, 2)
  acknowledgeAll(raft, 3)
  settle(raft)
  propose(raft)
  settle(raft)
  acknowledgeAll(raft, 3)
  assert.equal(successor(raft), id(3))
  acknowledgeAll(raft, 2)
  step(raft, { kind: 'tick' })
  receive(raft, MessageKind.HeartbeatResponse, 2)
  assert.equal(successor(raft), id(2))
  for (let tick = 0; tick <= electionTicks; tick++) {
    receive(raft, MessageKind.HeartbeatResponse, 3)
    step(raft, { kind: 'tick' })
  }
  assert.equal(successor(raft), id(3))
})
