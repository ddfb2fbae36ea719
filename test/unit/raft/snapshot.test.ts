import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageKind, type SnapshotMeta, step, takeReady } from '../../../src/raft/index.ts'
import { makeLeader } from './lead.ts'
import { entriesOf, id, ids, makeRaft, receive, sentKinds, settle, timeOut } from './make-raft.ts'

const meta = (index: number, term: number, ...voters: number[]): SnapshotMeta => ({
  index,
  term,
  confState: { voters: ids(...(voters.length > 0 ? voters : [1, 2, 3])), learners: [] },
})

test('a received state replaces the log, and is acknowledged only when it is in place', () => {
  const raft = makeRaft({ log: '1 1' })
  assert.equal(receive(raft, MessageKind.Snapshot, 2, { term: 3, snapshot: meta(9, 3, 1, 2, 3, 4) }), 'accepted')
  const ready = takeReady(raft)
  assert.deepEqual(ready.snapshot, meta(9, 3, 1, 2, 3, 4))
  assert.deepEqual(ready.hardState, { term: 3, vote: 0n, commit: 9 })
  assert.equal(ready.messagesAfterPersist.length, 0)
  assert.deepEqual(raft.conf.voters, ids(1, 2, 3, 4))
  assert.equal(takeReady(raft).snapshot, null)
  assert.equal(step(raft, { kind: 'snapshotInstalled', snapshot: meta(9, 3) }), 'accepted')
  assert.equal(sentKinds(takeReady(raft), MessageKind.AppendResponse)[0]?.index, 9)
  assert.equal(raft.log.applied, 9)
  assert.equal(step(raft, { kind: 'snapshotInstalled', snapshot: meta(9, 3) }), 'dropped')
})

test('entries that follow before it is in place are neither acknowledged nor applied', () => {
  const raft = makeRaft()
  receive(raft, MessageKind.Snapshot, 2, { term: 3, snapshot: meta(9, 3) })
  receive(raft, MessageKind.Append, 2, { index: 9, logTerm: 3, entries: entriesOf('3 3', 10), commit: 11 })
  const ready = settle(raft)
  assert.equal(ready.entries.length, 2)
  assert.equal(ready.messagesAfterPersist.length, 0)
  assert.equal(takeReady(raft).committed.length, 0)
  step(raft, { kind: 'snapshotInstalled', snapshot: meta(9, 3) })
  const after = takeReady(raft)
  assert.equal(sentKinds(after, MessageKind.AppendResponse)[0]?.index, 11)
  assert.deepEqual(
    after.committed.map(({ index }) => index),
    [10, 11],
  )
})

test('nobody campaigns with half a state', () => {
  const raft = makeRaft()
  receive(raft, MessageKind.Snapshot, 2, { term: 3, snapshot: meta(9, 3) })
  for (let i = 0; i < 60; i++) step(raft, { kind: 'tick' })
  assert.equal(raft.role, 'follower')
  step(raft, { kind: 'snapshotInstalled', snapshot: meta(9, 3) })
  timeOut(raft)
  assert.equal(raft.role, 'preCandidate')
})

test('promises about entries that the state replaces do not leave', () => {
  const raft = makeRaft({ term: 1 })
  receive(raft, MessageKind.Append, 2, { index: 0, logTerm: 0, entries: entriesOf('1 1') })
  receive(raft, MessageKind.Snapshot, 2, { snapshot: meta(9, 1) })
  assert.equal(takeReady(raft).messagesAfterPersist.length, 0)
})

for (const { name, log, commit, snapshot, index } of [
  { name: 'it is not newer', log: '1 1 1', commit: 2, snapshot: meta(2, 1), index: 2 },
  { name: 'the log has its last entry', log: '1 1 1', commit: 1, snapshot: meta(3, 1), index: 3 },
]) {
  test(`a state is not installed if ${name}`, () => {
    const raft = makeRaft({ log, commit, applied: commit })
    assert.equal(receive(raft, MessageKind.Snapshot, 2, { snapshot }), 'dropped')
    const ready = takeReady(raft)
    assert.equal(ready.snapshot, null)
    assert.equal(sentKinds(ready, MessageKind.AppendResponse)[0]?.index, index)
    assert.equal(raft.log.commit, index)
  })
}

test('a state whose cluster this member is not in is none of its business', () => {
  const raft = makeRaft()
  assert.equal(receive(raft, MessageKind.Snapshot, 2, { term: 1, snapshot: meta(9, 1, 2, 3) }), 'dropped')
  assert.equal(receive(raft, MessageKind.Snapshot, 2, { term: 1 }), 'dropped')
  assert.equal(takeReady(raft).snapshot, null)
})

test('a newer state may come while one is being installed', () => {
  const raft = makeRaft()
  receive(raft, MessageKind.Snapshot, 2, { term: 1, snapshot: meta(5, 1) })
  takeReady(raft)
  receive(raft, MessageKind.Snapshot, 2, { snapshot: meta(9, 1) })
  assert.deepEqual(takeReady(raft).snapshot, meta(9, 1))
  assert.equal(step(raft, { kind: 'snapshotInstalled', snapshot: meta(5, 1) }), 'dropped')
  assert.equal(step(raft, { kind: 'snapshotInstalled', snapshot: meta(9, 1) }), 'accepted')
})

test('a member without any configuration takes a state, and no entries', () => {
  const raft = makeRaft({ voters: [] })
  receive(raft, MessageKind.Append, 2, { term: 1, index: 0, logTerm: 0, entries: entriesOf('1') })
  const [answer] = sentKinds(settle(raft), MessageKind.AppendResponse)
  assert.deepEqual([answer?.index, answer?.reject], [0, true])
  assert.equal(raft.log.lastIndex, 0)
  assert.equal(receive(raft, MessageKind.Snapshot, 2, { snapshot: meta(3, 1) }), 'accepted')
})

test('who refuses the first entry is sent a state, once there is one', () => {
  const raft = makeLeader()
  const refuse = (index: number): unknown =>
    receive(raft, MessageKind.AppendResponse, 2, { index, reject: true, rejectHint: 0 })
  refuse(0)
  assert.equal(sentKinds(settle(raft), MessageKind.Snapshot).length, 0, 'nothing is applied yet')
  receive(raft, MessageKind.AppendResponse, 3, { index: 1 })
  settle(raft)
  step(raft, { kind: 'applied', index: 1 })
  receive(raft, MessageKind.HeartbeatResponse, 2)
  assert.equal(sentKinds(settle(raft), MessageKind.Snapshot)[0]?.to, id(2))
})
