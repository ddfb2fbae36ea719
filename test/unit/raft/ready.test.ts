import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError } from '../../../src/base/assert.ts'
import { hasReady, MessageKind, raftStatus, step, takeReady } from '../../../src/raft/index.ts'
import { acknowledgeAll, makeLeader } from './lead.ts'
import { entriesOf, id, makeRaft, propose, receive, settle } from './make-raft.ts'

test('nothing to do, nothing to take', () => {
  const raft = makeRaft({ log: '1 1', commit: 1, applied: 1 })
  assert.equal(hasReady(raft), false)
  assert.deepEqual(takeReady(raft), {
    hardState: null,
    entries: [],
    messages: [],
    messagesAfterPersist: [],
    committed: [],
    readStates: [],
    snapshot: null,
    soft: null,
  })
})

test('each effect is handed out once', () => {
  const raft = makeLeader()
  propose(raft)
  assert(hasReady(raft))
  assert.equal(takeReady(raft).entries.length, 1)
  assert.equal(hasReady(raft), false)
  assert.equal(takeReady(raft).entries.length, 0)
})

test('several Readys may be taken before the first is persisted', () => {
  const raft = makeLeader({ voters: [1] })
  propose(raft, 2)
  assert.equal(takeReady(raft).entries.length, 2)
  propose(raft, 1)
  assert.equal(takeReady(raft).entries.length, 1)
  assert.equal(raft.log.commit, 1)
  step(raft, { kind: 'persisted', last: { term: 1, index: 3 } })
  assert.deepEqual(
    takeReady(raft).committed.map(({ index }) => index),
    [2, 3],
  )
  step(raft, { kind: 'persisted', last: { term: 1, index: 4 } })
  assert.deepEqual(
    takeReady(raft).committed.map(({ index }) => index),
    [4],
  )
})

test('what is not on disk is not acknowledged: `persisted` for what is not there changes nothing', () => {
  const raft = makeLeader({ voters: [1] })
  propose(raft)
  takeReady(raft)
  for (const last of [
    { term: 0, index: 0 },
    { term: 1, index: 9 },
    { term: 7, index: 2 },
  ]) {
    assert.equal(step(raft, { kind: 'persisted', last }), 'dropped')
  }
  assert.equal(raft.log.commit, 1)
})

test('a follower’s promises wait for the disk; so does everything of a term that may be forgotten', () => {
  const raft = makeRaft({ term: 1 })
  receive(raft, MessageKind.Heartbeat, 2, { term: 2 })
  const first = takeReady(raft)
  assert.equal(first.messages.length, 0)
  assert.equal(first.messagesAfterPersist[0]?.kind, MessageKind.HeartbeatResponse)
  receive(raft, MessageKind.Append, 2, { index: 0, logTerm: 0, entries: entriesOf('2') })
  assert.equal(settle(raft).messagesAfterPersist[0]?.kind, MessageKind.AppendResponse)
  receive(raft, MessageKind.Heartbeat, 2)
  assert.equal(takeReady(raft).messages[0]?.kind, MessageKind.HeartbeatResponse)
})

test('a restart that finds entries of a term it does not know of goes on in that term, without a vote', () => {
  const raft = makeRaft({ log: '1 4', term: 1, vote: 2 })
  assert.equal(raft.term, 4)
  assert.deepEqual(takeReady(raft).hardState, { term: 4, vote: 0n, commit: 0 })
})

test('soft state is told when it changes', () => {
  const raft = makeRaft({ term: 1 })
  receive(raft, MessageKind.Heartbeat, 2)
  assert.deepEqual(takeReady(raft).soft, { role: 'follower', leader: id(2), term: 1 })
  receive(raft, MessageKind.Heartbeat, 2)
  assert.equal(takeReady(raft).soft, null)
})

test('committed entries that a restart finds unapplied are delivered again', () => {
  const raft = makeRaft({ log: '1 1 1', commit: 2, applied: 1 })
  assert.deepEqual(
    takeReady(raft).committed.map(({ index }) => index),
    [2],
  )
})

test('the driver cannot apply or compact ahead of itself', () => {
  const raft = makeRaft({ log: '1 1 1', commit: 2, applied: 1 })
  assert.throws(() => step(raft, { kind: 'applied', index: 2 }), InvariantError)
  assert.throws(() => step(raft, { kind: 'compactLog', index: 2 }), InvariantError)
})

test('compacting trims the log; the commit term stays known', () => {
  const raft = makeLeader()
  for (let i = 0; i < 10; i++) {
    propose(raft, 100)
    settle(raft)
    acknowledgeAll(raft, 2)
    settle(raft)
    step(raft, { kind: 'applied', index: raft.log.delivered })
    step(raft, { kind: 'compactLog', index: raft.log.delivered })
  }
  const { firstIndex, lastIndex, applied } = raftStatus(raft)
  assert.deepEqual({ firstIndex, lastIndex, applied }, { firstIndex: 1002, lastIndex: 1001, applied: 1001 })
  assert.equal(raft.log.entries.length, 0)
  step(raft, { kind: 'readIndex', context: 1n })
  assert(takeReady(raft).messages.some(({ kind }) => kind === MessageKind.Heartbeat))
})

test('the same inputs give the same effects', () => {
  const run = (): string => {
    const raft = makeRaft()
    const readys = []
    for (let i = 0; i < 100; i++) {
      step(raft, { kind: 'tick' })
      readys.push(takeReady(raft))
    }
    return JSON.stringify(readys, (_, value) => (typeof value === 'bigint' ? `${value}` : value))
  }
  assert.equal(run(), run())
})
