import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noMember } from '../../../src/base/ids.ts'
import { type Message, MessageKind, type Raft, raftStatus, step, takeReady } from '../../../src/raft/index.ts'
import { acknowledgeAll, makeLeader } from './lead.ts'
import { entriesOf, id, makeRaft, propose, receive, sentKinds, settle, termsOf } from './make-raft.ts'

const appendsTo = (messages: readonly Message[], to: number): Message[] =>
  messages.filter((message) => message.kind === MessageKind.Append && message.to === id(to))

test('a majority commits, the own disk included', () => {
  const raft = makeLeader()
  propose(raft)
  const ready = takeReady(raft)
  acknowledgeAll(raft, 2)
  assert.equal(raft.log.commit, 1, 'entry 2 is on one disk only, whatever the leader has in memory')
  step(raft, { kind: 'persisted', last: { term: 1, index: 2 } })
  assert.equal(raft.log.commit, 2)
  assert.equal(appendsTo(ready.messages, 2).length, 0, 'where 2 stands was not known yet')
  assert.deepEqual(
    takeReady(raft).committed.map(({ index }) => index),
    [1, 2],
  )
})

test('followers commit without the leader’s disk; its state machine waits for it', () => {
  const raft = makeLeader()
  acknowledgeAll(raft, 2)
  settle(raft)
  propose(raft)
  takeReady(raft)
  acknowledgeAll(raft, 2)
  acknowledgeAll(raft, 3)
  assert.equal(raft.log.commit, 2)
  assert.equal(takeReady(raft).committed.length, 0)
  step(raft, { kind: 'persisted', last: { term: 1, index: 2 } })
  assert.deepEqual(
    takeReady(raft).committed.map(({ index }) => index),
    [2],
  )
})

test('entries of earlier terms are not committed by counting (paper fig. 8)', () => {
  const raft = makeLeader({ voters: [1, 2, 3, 4, 5], log: '1 2', term: 3, commit: 1, applied: 1 })
  assert.equal(raft.term, 4)
  receive(raft, MessageKind.AppendResponse, 2, { index: 2 })
  receive(raft, MessageKind.AppendResponse, 3, { index: 2 })
  assert.equal(raft.log.commit, 1, 'entry 2 of term 2 is held by a majority and may still be replaced')
  receive(raft, MessageKind.AppendResponse, 2, { index: 3 })
  receive(raft, MessageKind.AppendResponse, 3, { index: 3 })
  assert.equal(raft.log.commit, 3)
})

for (const { name, from, index } of [
  { name: 'a learner', from: 4, index: 1 },
  { name: 'a stranger', from: 9, index: 1 },
  { name: 'an acknowledgement of what does not exist', from: 2, index: 7 },
]) {
  test(`${name} does not help to commit`, () => {
    const raft = makeLeader({ learners: [4] })
    receive(raft, MessageKind.AppendResponse, from, { index })
    assert.equal(raft.log.commit, 0)
  })
}

test('appends run ahead of their answers up to the window, which the answers open again', () => {
  const raft = makeLeader({ options: { inflightMax: 2, messageBytesMax: 40 } })
  acknowledgeAll(raft, 2)
  settle(raft)
  propose(raft, 4)
  assert.deepEqual(
    appendsTo(settle(raft).messages, 2).map(({ index, entries }) => [index, entries?.length]),
    [
      [1, 1],
      [2, 1],
    ],
  )
  receive(raft, MessageKind.AppendResponse, 2, { index: 2 })
  assert.deepEqual(
    appendsTo(settle(raft).messages, 2).map(({ index }) => index),
    [3],
  )
})

test('all proposals between two Readys share their appends, and followers that are equally far share the array', () => {
  const raft = makeLeader()
  acknowledgeAll(raft, 2)
  acknowledgeAll(raft, 3)
  settle(raft)
  propose(raft)
  propose(raft)
  const { messages } = settle(raft)
  assert.equal(messages.length, 2)
  assert.equal(messages[0]?.entries?.length, 2)
  assert.equal(messages[0]?.entries, messages[1]?.entries)
})

test('a lost append is found out by the next heartbeat', () => {
  const raft = makeLeader()
  acknowledgeAll(raft, 2)
  settle(raft)
  propose(raft)
  settle(raft)
  receive(raft, MessageKind.HeartbeatResponse, 2)
  const [probe] = appendsTo(settle(raft).messages, 2)
  assert.deepEqual([probe?.index, probe?.entries?.length], [2, 0])
  receive(raft, MessageKind.AppendResponse, 2, { index: 2, reject: true, rejectHint: 1, logTerm: 1 })
  const [again] = appendsTo(settle(raft).messages, 2)
  assert.deepEqual([again?.index, again?.entries?.length], [1, 1])
})

test('after a transport failure the leader goes back to probing after what it knows', () => {
  const raft = makeLeader()
  acknowledgeAll(raft, 2)
  settle(raft)
  propose(raft, 3)
  settle(raft)
  step(raft, { kind: 'unreachable', to: id(2) })
  assert.deepEqual(raftStatus(raft).progress?.get(id(2)), {
    match: 1,
    next: 2,
    state: 'probe',
    silentTicks: 0,
    recentActive: true,
  })
  assert.equal(step(raft, { kind: 'unreachable', to: id(9) }), 'dropped')
})

/** A leader whose log begins after entry 2, with member 2 known to have nothing; both others are there unless `silent`. */
function leaderWithoutPast(silent = false): Raft {
  const raft = makeLeader({ log: '1', commit: 1, applied: 1 })
  acknowledgeAll(raft, 3)
  settle(raft)
  step(raft, { kind: 'applied', index: 2 })
  step(raft, { kind: 'compactLog', index: 2 })
  receive(raft, MessageKind.AppendResponse, 2, { index: 1, reject: true, rejectHint: 0 })
  if (!silent) return raft
  for (let i = 0; i < 11; i++) {
    receive(raft, MessageKind.HeartbeatResponse, 3)
    step(raft, { kind: 'tick' })
  }
  return raft
}

test('a state goes only to those who are there to take it', () => {
  const raft = leaderWithoutPast(true)
  assert.equal(sentKinds(settle(raft), MessageKind.Snapshot).length, 0)
  receive(raft, MessageKind.HeartbeatResponse, 2)
  const [snapshot] = sentKinds(settle(raft), MessageKind.Snapshot)
  assert.equal(snapshot?.to, id(2))
  assert.equal(snapshot?.snapshot, undefined, 'the driver says what it sends')
})

for (const { ok, next } of [
  { ok: true, next: 3 },
  { ok: false, next: 1 },
]) {
  test(`after a state was sent, ${ok ? 'with' : 'without'} success, the next probe is at ${next}`, () => {
    const raft = leaderWithoutPast()
    assert.equal(sentKinds(settle(raft), MessageKind.Snapshot).length, 1)
    propose(raft)
    receive(raft, MessageKind.HeartbeatResponse, 2)
    assert.equal(appendsTo(settle(raft).messages, 2).length, 0, 'nothing else is sent meanwhile')
    step(raft, { kind: 'snapshotReport', to: id(2), ok })
    assert.equal(raftStatus(raft).progress?.get(id(2))?.next, next)
    assert.equal(sentKinds(settle(raft), MessageKind.Snapshot).length, 0, 'a failure is not repeated at once')
    receive(raft, MessageKind.HeartbeatResponse, 2)
    assert.equal(sentKinds(settle(raft), ok ? MessageKind.Append : MessageKind.Snapshot)[0]?.to, id(2))
  })
}

test('a follower that has what it lacked moves on before the report comes', () => {
  const raft = leaderWithoutPast()
  settle(raft)
  propose(raft)
  receive(raft, MessageKind.AppendResponse, 2, { index: 2 })
  assert.equal(appendsTo(settle(raft).messages, 2)[0]?.index, 2)
  assert.equal(raftStatus(raft).progress?.get(id(2))?.state, 'replicate')
})

for (const { name, log, commit, fields, want } of [
  {
    name: 'what follows is taken',
    log: '1',
    commit: 0,
    fields: { index: 1, logTerm: 1, entries: '2' },
    want: { index: 2 },
  },
  {
    name: 'a gap is refused',
    log: '1',
    commit: 0,
    fields: { index: 3, logTerm: 2, entries: '2' },
    want: { reject: 1 },
  },
  {
    name: 'another past is refused',
    log: '1 1',
    commit: 0,
    fields: { index: 2, logTerm: 2, entries: '' },
    want: { reject: 2 },
  },
  {
    name: 'old news is answered with the commit',
    log: '1 1',
    commit: 2,
    fields: { index: 0, logTerm: 0, entries: '1' },
    want: { index: 2 },
  },
]) {
  test(`a follower's append: ${name}`, () => {
    const raft = makeRaft({ log, commit, applied: commit, term: 2 })
    const { index, logTerm, entries } = fields
    receive(raft, MessageKind.Append, 2, { index, logTerm, entries: entriesOf(entries, index + 1), commit: 0 })
    const ready = takeReady(raft)
    assert.equal(ready.messages.length, 0)
    const [answer] = ready.messagesAfterPersist
    if (want.index !== undefined) assert.equal(answer?.index, want.index)
    else assert.deepEqual([answer?.reject, answer?.rejectHint], [true, want.reject === 2 ? 2 : 1])
  })
}

test('the commit mark of an append counts only as far as the append vouches for the log', () => {
  const raft = makeRaft({ log: '1 1 1', term: 2 })
  receive(raft, MessageKind.Append, 2, { index: 1, logTerm: 1, entries: [], commit: 3 })
  assert.equal(raft.log.commit, 1)
})

for (const { name, entries } of [
  { name: 'a gap', entries: entriesOf('1', 3) },
  { name: 'a term above the message’s', entries: entriesOf('9', 2) },
  { name: 'falling terms', entries: [...entriesOf('2', 2), ...entriesOf('1', 3)] },
]) {
  test(`an append whose entries make no sense is dropped: ${name}`, () => {
    const raft = makeRaft({ log: '1', term: 2 })
    assert.equal(receive(raft, MessageKind.Append, 2, { index: 1, logTerm: 1, entries }), 'dropped')
    assert.equal(termsOf(raft.log.entries), '1')
  })
}

for (const { name, commit, logTerm, committed, refused } of [
  { name: 'known entries are committed', commit: 2, logTerm: 1, committed: 2, refused: false },
  { name: 'the leader need not know the term any more', commit: 2, logTerm: 0, committed: 2, refused: false },
  { name: 'a lost end is reported and nothing is committed', commit: 3, logTerm: 1, committed: 0, refused: true },
  { name: 'another entry in its place is reported as well', commit: 2, logTerm: 2, committed: 0, refused: true },
]) {
  test(`a heartbeat's commit mark: ${name}`, () => {
    const raft = makeRaft({ log: '1 1', term: 2 })
    receive(raft, MessageKind.Heartbeat, 2, { commit, logTerm })
    const ready = takeReady(raft)
    assert.equal(raft.log.commit, committed)
    assert.equal(sentKinds(ready, MessageKind.HeartbeatResponse).length, 1)
    assert.equal(sentKinds(ready, MessageKind.AppendResponse).length, refused ? 1 : 0)
  })
}

test('a second leader in the same term is not believed', () => {
  const raft = makeRaft({ log: '1', term: 2 })
  receive(raft, MessageKind.Heartbeat, 2)
  assert.equal(receive(raft, MessageKind.Append, 3, { index: 1, logTerm: 1, entries: entriesOf('2', 2) }), 'dropped')
  assert.equal(raft.leader, id(2))
  assert.equal(raft.log.lastIndex, 1)
})

test('messages for others, from oneself and from nobody are dropped', () => {
  const raft = makeRaft()
  const message = { kind: MessageKind.Heartbeat, from: id(2), to: id(1), term: 1 }
  for (const wrong of [{ to: id(3) }, { from: id(1) }, { from: noMember }]) {
    assert.equal(step(raft, { kind: 'receive', message: { ...message, ...wrong } }), 'dropped')
  }
  assert.equal(raft.term, 0)
})
