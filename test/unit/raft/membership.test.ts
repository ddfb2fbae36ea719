import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noMember } from '../../../src/base/ids.ts'
import { type ConfChange, MessageKind, type Raft, raftStatus, step, takeReady } from '../../../src/raft/index.ts'
import { acknowledgeAll, makeLeader } from './lead.ts'
import { entriesOf, id, makeRaft, proposeChange, receive, sentKinds, settle, timeOut } from './make-raft.ts'

/** Proposes, commits and applies a change on a leader. */
function change(raft: Raft, kind: ConfChange['kind'], member: number): void {
  assert.equal(proposeChange(raft), 'accepted')
  settle(raft)
  for (const voter of raft.conf.voters) if (voter !== raft.id) acknowledgeAll(raft, Number(voter))
  settle(raft)
  step(raft, { kind: 'applied', index: raft.log.delivered })
  step(raft, { kind: 'confChangeApplied', change: { kind, member: id(member) } })
}

test('a new member is sent to at once, and has until the next check of the quorum to answer', () => {
  const raft = makeLeader({ voters: [1] })
  change(raft, 'addVoter', 2)
  assert.equal(sentKinds(settle(raft), MessageKind.Append)[0]?.to, id(2))
  for (let i = 0; i < 10; i++) step(raft, { kind: 'tick' })
  assert.equal(raft.role, 'leader')
  for (let i = 0; i < 10; i++) step(raft, { kind: 'tick' })
  assert.equal(raft.role, 'follower')
})

test('a learner’s promotion keeps what is known of it', () => {
  const raft = makeLeader({ learners: [4] })
  receive(raft, MessageKind.AppendResponse, 4, { index: 1 })
  change(raft, 'promote', 4)
  assert.equal(raftStatus(raft).progress?.get(id(4))?.match, 1)
  assert.deepEqual(raft.conf.voters.map(Number), [1, 2, 3, 4])
})

test('a removal that makes the majority smaller may commit', () => {
  const raft = makeLeader({ voters: [1, 2] })
  acknowledgeAll(raft, 2)
  settle(raft)
  assert.equal(proposeChange(raft), 'accepted')
  settle(raft)
  acknowledgeAll(raft, 2)
  settle(raft)
  step(raft, { kind: 'propose', proposals: [{ type: 'normal', data: new Uint8Array(0) }] })
  settle(raft)
  assert.equal(raft.log.commit, 2)
  step(raft, { kind: 'confChangeApplied', change: { kind: 'remove', member: id(2) } })
  assert.equal(raft.log.commit, 3)
  assert.equal(raftStatus(raft).progress?.has(id(2)), false)
})

test('a leader that is removed steps down when that is applied', () => {
  const raft = makeLeader()
  change(raft, 'remove', 1)
  assert.equal(raft.role, 'follower')
  for (let i = 0; i < 60; i++) step(raft, { kind: 'tick' })
  assert.equal(raft.role, 'follower', 'it is no voter any more')
})

test('a transfer to a member that is removed meanwhile is over', () => {
  const raft = makeLeader()
  assert.equal(proposeChange(raft), 'accepted')
  settle(raft)
  acknowledgeAll(raft, 2)
  settle(raft)
  step(raft, { kind: 'transferLeader', to: id(3) })
  step(raft, { kind: 'confChangeApplied', change: { kind: 'remove', member: id(3) } })
  assert.equal(raftStatus(raft).transferee, noMember)
})

test('a candidate that turns out to be removed gives up', () => {
  const raft = makeRaft({ log: '1 1c', commit: 1, applied: 1 })
  timeOut(raft)
  assert.equal(raft.role, 'preCandidate')
  receive(raft, MessageKind.Append, 2, { index: 2, logTerm: 1, entries: [], commit: 2 })
  settle(raft)
  step(raft, { kind: 'confChangeApplied', change: { kind: 'remove', member: id(1) } })
  for (let i = 0; i < 60; i++) step(raft, { kind: 'tick' })
  assert.equal(raft.role, 'follower')
})

test('who has not applied a committed change does not campaign', () => {
  const raft = makeRaft({ log: '1 1c', commit: 2, applied: 1 })
  for (let i = 0; i < 60; i++) step(raft, { kind: 'tick' })
  assert.equal(raft.role, 'follower')
  settle(raft)
  step(raft, { kind: 'applied', index: 2 })
  step(raft, { kind: 'confChangeApplied', change: null })
  step(raft, { kind: 'tick' })
  assert.equal(raft.role, 'preCandidate')
})

test('every change in the log but the last is committed, also if the commit mark was forgotten', () => {
  const restarted = makeRaft({ log: '1 1c 1 1c 1', applied: 1 })
  assert.equal(restarted.log.commit, 2)
  for (let i = 0; i < 60; i++) step(restarted, { kind: 'tick' })
  assert.equal(restarted.role, 'follower', 'a change is committed and not applied')
  assert.deepEqual(
    takeReady(restarted).committed.map(({ index }) => index),
    [2],
  )
  const follower = makeRaft({ log: '1 1c', applied: 1 })
  assert.equal(follower.log.commit, 1)
  receive(follower, MessageKind.Append, 2, { index: 2, logTerm: 1, entries: entriesOf('1 1c', 3), commit: 0 })
  assert.equal(follower.log.commit, 2)
})
