import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noMember } from '../../../src/base/ids.ts'
import { MessageKind, type Raft, raftStatus, step, takeReady } from '../../../src/raft/index.ts'
import { acknowledgeAll, makeLeader } from './lead.ts'
import { id, makeRaft, propose, receive, sentKinds, settle } from './make-raft.ts'

const transfer = (raft: Raft, to: number): unknown => step(raft, { kind: 'transferLeader', to: id(to) })

test('leadership goes to who has caught up; nothing is proposed meanwhile', () => {
  const raft = makeLeader()
  acknowledgeAll(raft, 3)
  settle(raft)
  assert.equal(transfer(raft, 2), 'accepted')
  assert.equal(sentKinds(settle(raft), MessageKind.TimeoutNow).length, 0)
  assert.equal(propose(raft), 'dropped')
  acknowledgeAll(raft, 2)
  assert.equal(sentKinds(settle(raft), MessageKind.TimeoutNow)[0]?.to, id(2))
})

test('a wish for another successor replaces the first', () => {
  const raft = makeLeader()
  transfer(raft, 2)
  transfer(raft, 3)
  assert.equal(raftStatus(raft).transferee, id(3))
  acknowledgeAll(raft, 2)
  assert.equal(sentKinds(settle(raft), MessageKind.TimeoutNow).length, 0)
})

test('after an election timeout the leader gives up and goes on', () => {
  const raft = makeLeader()
  transfer(raft, 2)
  for (let i = 0; i < 10; i++) {
    receive(raft, MessageKind.HeartbeatResponse, 3)
    step(raft, { kind: 'tick' })
  }
  assert.equal(raftStatus(raft).transferee, noMember)
  assert.equal(propose(raft), 'accepted')
})

for (const { name, to } of [
  { name: 'itself', to: 1 },
  { name: 'a learner', to: 4 },
  { name: 'a stranger', to: 9 },
]) {
  test(`a leader does not hand over to ${name}`, () => {
    const raft = makeLeader({ learners: [4] })
    assert.equal(transfer(raft, to), 'dropped')
    assert.equal(propose(raft), 'accepted')
  })
}

test('the chosen one stands without a pre-vote and says why', () => {
  const raft = makeRaft({ log: '1' })
  receive(raft, MessageKind.Heartbeat, 2)
  assert.equal(receive(raft, MessageKind.TimeoutNow, 3), 'dropped', 'only its leader may ask')
  assert.equal(receive(raft, MessageKind.TimeoutNow, 2), 'accepted')
  const votes = sentKinds(takeReady(raft), MessageKind.Vote)
  assert.deepEqual(
    votes.map(({ term, campaignTransfer }) => ({ term, campaignTransfer })),
    [
      { term: 2, campaignTransfer: true },
      { term: 2, campaignTransfer: true },
    ],
  )
})

test('a learner does not stand, whoever asks', () => {
  const raft = makeRaft({ voters: [2, 3], learners: [1], log: '1' })
  receive(raft, MessageKind.Heartbeat, 2)
  assert.equal(receive(raft, MessageKind.TimeoutNow, 2), 'dropped')
})
