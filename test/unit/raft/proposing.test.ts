import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageKind, step, takeReady } from '../../../src/raft/index.ts'
import { acknowledgeAll, makeLeader } from './lead.ts'
import { id, makeRaft, propose, proposeChange, receive, sentKinds, settle } from './make-raft.ts'

const proposals = [{ type: 'normal' as const, data: Buffer.from('a') }]

test('without a leader a proposal is dropped; with one it is passed on', () => {
  const raft = makeRaft()
  assert.equal(propose(raft), 'dropped')
  receive(raft, MessageKind.Heartbeat, 2, { term: 1 })
  settle(raft)
  assert.equal(step(raft, { kind: 'propose', proposals }), 'accepted')
  const [passedOn] = sentKinds(takeReady(raft), MessageKind.Propose)
  assert.deepEqual([passedOn?.to, passedOn?.proposals], [id(2), proposals])
})

test('what was passed on is not passed on again', () => {
  const raft = makeRaft()
  receive(raft, MessageKind.Heartbeat, 2, { term: 1 })
  settle(raft)
  assert.equal(receive(raft, MessageKind.Propose, 3, { proposals }), 'dropped')
  assert.equal(sentKinds(takeReady(raft), MessageKind.Propose).length, 0)
})

test('a leader takes proposals of members, not of strangers', () => {
  const raft = makeLeader({ learners: [4] })
  assert.equal(receive(raft, MessageKind.Propose, 9, { proposals }), 'dropped')
  assert.equal(receive(raft, MessageKind.Propose, 4, { proposals }), 'accepted')
  assert.equal(raft.log.lastIndex, 2)
})

test('a leader takes no proposals that were sent in another term: who sent them may have done so again', () => {
  const raft = makeLeader()
  const { term } = raft
  assert.equal(receive(raft, MessageKind.Propose, 2, { proposals, term: term - 1 }), 'dropped')
  assert.equal(receive(raft, MessageKind.Propose, 2, { proposals, term: term + 1 }), 'dropped')
  assert.deepEqual([raft.role, raft.term, raft.log.lastIndex], ['leader', term, 1])
})

test('what is uncommitted is bounded, but one proposal always fits', () => {
  const raft = makeLeader({ options: { uncommittedBytesMax: 1000 } })
  acknowledgeAll(raft, 2)
  settle(raft)
  assert.equal(propose(raft, 1, 5000), 'accepted')
  assert.equal(propose(raft, 1, 0), 'dropped')
  settle(raft)
  acknowledgeAll(raft, 2)
  assert.equal(raft.uncommittedBytes, 0)
  assert.equal(propose(raft, 1, 500), 'accepted')
  assert.equal(propose(raft, 1, 500), 'dropped')
})

test('what an earlier leader left uncommitted counts against the bound', () => {
  const raft = makeLeader({ log: '1 1 1', commit: 1, applied: 1 })
  assert.equal(raft.uncommittedBytes, 3 * 32)
})

test('one configuration change at a time, alone in what it was proposed with', () => {
  const raft = makeLeader()
  const change = { type: 'confChange' as const, data: new Uint8Array(0) }
  assert.equal(step(raft, { kind: 'propose', proposals: [change, change] }), 'dropped')
  assert.equal(proposeChange(raft), 'accepted')
  assert.equal(proposeChange(raft), 'dropped')
  settle(raft)
  acknowledgeAll(raft, 2)
  assert.equal(proposeChange(raft), 'dropped', 'committed is not applied')
  settle(raft)
  step(raft, { kind: 'confChangeApplied', change: null })
  assert.equal(proposeChange(raft), 'accepted')
})

test('a new leader treats a change it finds in its log as pending', () => {
  const raft = makeLeader({ log: '1 1c', commit: 1, applied: 1 })
  assert.equal(proposeChange(raft), 'dropped')
  acknowledgeAll(raft, 2)
  settle(raft)
  step(raft, { kind: 'applied', index: 3 })
  step(raft, { kind: 'confChangeApplied', change: { kind: 'addLearner', member: id(7) } })
  assert.equal(proposeChange(raft), 'accepted')
})
