import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noMember } from '../../../src/base/ids.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { MessageKind, step, takeReady } from '../../../src/raft/index.ts'
import { makeLeader } from './lead.ts'
import { id, makeRaft, receive, sentKinds, settle, timeOut } from './make-raft.ts'

for (const { name, log, vote, index, logTerm, grant } of [
  { name: 'an equal log', log: '1 1', vote: 0, index: 2, logTerm: 1, grant: true },
  { name: 'a longer log', log: '1 1', vote: 0, index: 3, logTerm: 1, grant: true },
  { name: 'a shorter log', log: '1 1', vote: 0, index: 1, logTerm: 1, grant: false },
  { name: 'a shorter log of a higher term', log: '1 1', vote: 0, index: 1, logTerm: 2, grant: true },
  { name: 'a longer log of a lower term', log: '1 2', vote: 0, index: 9, logTerm: 1, grant: false },
  { name: 'the one it voted for already', log: '1 1', vote: 2, index: 2, logTerm: 1, grant: true },
  { name: 'another than the one it voted for', log: '1 1', vote: 3, index: 2, logTerm: 1, grant: false },
]) {
  test(`a vote goes ${grant ? 'to' : 'not to'} ${name} (paper 5.4.1)`, () => {
    const raft = makeRaft({ log, vote, term: 5 })
    receive(raft, MessageKind.Vote, 2, { index, logTerm })
    const ready = takeReady(raft)
    assert.equal(ready.messages.length, 0, 'a vote is a promise')
    assert.equal(ready.messagesAfterPersist[0]?.reject, !grant)
    assert.equal(raft.vote, grant ? id(2) : vote === 0 ? noMember : id(vote))
  })
}

test('one vote per term, also after a restart', () => {
  const raft = makeRaft({ log: '1', term: 3 })
  receive(raft, MessageKind.Vote, 2, { term: 4, index: 1, logTerm: 1 })
  const { hardState } = takeReady(raft)
  assert.deepEqual(hardState, { term: 4, vote: id(2), commit: 0 })
  const again = makeRaft({ log: '1', term: 4, vote: 2 })
  receive(again, MessageKind.Vote, 3, { index: 1, logTerm: 1 })
  assert.equal(sentKinds(takeReady(again), MessageKind.VoteResponse)[0]?.reject, true)
})

test('who gave its vote gives the candidate an election timeout', () => {
  const raft = makeRaft({ log: '1', term: 3 })
  for (let i = 0; i < 9; i++) step(raft, { kind: 'tick' })
  receive(raft, MessageKind.Vote, 2, { index: 1, logTerm: 1 })
  assert.equal(raft.vote, id(2))
  for (let i = 0; i < 9; i++) step(raft, { kind: 'tick' })
  assert.equal(raft.role, 'follower')
})

test('election timeouts are drawn anew from [electionTicks, 2 * electionTicks)', () => {
  const seen = new Set<number>()
  for (let seed = 0; seed < 200; seed++) {
    const raft = makeRaft({ options: { random: seededRandom(seed) } })
    let ticks = 0
    while (raft.role === 'follower') {
      step(raft, { kind: 'tick' })
      ticks++
    }
    seen.add(ticks)
  }
  assert.deepEqual(
    [...seen].sort((a, b) => a - b),
    [10, 11, 12, 13, 14, 15, 16, 17, 18, 19],
  )
})

test('asking beforehand moves neither term nor vote', () => {
  const raft = makeRaft({ log: '1', term: 3 })
  timeOut(raft)
  const ready = takeReady(raft)
  assert.equal(ready.hardState, null)
  assert.equal(raft.term, 3)
  assert.deepEqual(
    sentKinds(ready, MessageKind.PreVote).map(({ term, index, logTerm }) => ({ term, index, logTerm })),
    [
      { term: 4, index: 1, logTerm: 1 },
      { term: 4, index: 1, logTerm: 1 },
    ],
  )
})

test('a candidate asks for votes only after its own is on disk', () => {
  const raft = makeRaft({ log: '1', term: 3, options: { preVote: false } })
  timeOut(raft)
  const ready = takeReady(raft)
  assert.deepEqual(ready.hardState, { term: 4, vote: id(1), commit: 0 })
  assert.equal(ready.messages.length, 0)
  assert.equal(ready.messagesAfterPersist.length, 2)
})

for (const { name, answers, role } of [
  { name: 'a majority elects', answers: [{ from: 2, reject: false }], role: 'leader' },
  {
    name: 'a majority refuses',
    answers: [
      { from: 2, reject: true },
      { from: 3, reject: true },
    ],
    role: 'follower',
  },
  { name: 'one refusal of three decides nothing', answers: [{ from: 2, reject: true }], role: 'candidate' },
  {
    name: 'nobody votes twice',
    answers: [
      { from: 2, reject: true },
      { from: 2, reject: false },
    ],
    role: 'candidate',
  },
  { name: 'a stranger has no vote', answers: [{ from: 9, reject: false }], role: 'candidate' },
  { name: 'a learner has no vote', answers: [{ from: 4, reject: false }], role: 'candidate' },
] as const) {
  test(`an election: ${name}`, () => {
    const raft = makeRaft({ log: '1', learners: [4], options: { preVote: false } })
    timeOut(raft)
    settle(raft)
    for (const { from, reject } of answers) receive(raft, MessageKind.VoteResponse, from, { reject, index: 1 })
    assert.equal(raft.role, role)
  })
}

test('the vote of an empty log does not make up a majority of three, except when there are no logs yet', () => {
  for (const { log, role } of [
    { log: '1', role: 'candidate' },
    { log: '', role: 'leader' },
  ]) {
    const raft = makeRaft({ log, options: { preVote: false } })
    timeOut(raft)
    settle(raft)
    receive(raft, MessageKind.VoteResponse, 2, { index: 0 })
    assert.equal(raft.role, role)
  }
})

test('an answer to an earlier pre-vote does not count', () => {
  const raft = makeRaft({ log: '1', term: 3 })
  timeOut(raft)
  receive(raft, MessageKind.PreVoteResponse, 2, { term: 3, index: 1 })
  assert.equal(raft.role, 'preCandidate')
  receive(raft, MessageKind.PreVoteResponse, 2, { term: 4, index: 1 })
  assert.equal(raft.role, 'candidate')
})

for (const { name, fields, heard } of [
  { name: 'by a vote', fields: { kind: MessageKind.Vote }, heard: false },
  { name: 'by a pre-vote', fields: { kind: MessageKind.PreVote }, heard: false },
  {
    name: 'but by a vote the leader asked for',
    fields: { kind: MessageKind.Vote, campaignTransfer: true },
    heard: true,
  },
]) {
  test(`who has just heard a leader is not to be disturbed, ${name} (thesis 4.2.3)`, () => {
    const raft = makeRaft({ log: '1', term: 3 })
    receive(raft, MessageKind.Heartbeat, 2)
    settle(raft)
    const { kind, ...rest } = fields
    receive(raft, kind, 3, { term: 4, index: 1, logTerm: 1, ...rest })
    assert.equal(raft.term, heard ? 4 : 3)
    assert.equal(takeReady(raft).messagesAfterPersist.length, heard ? 1 : 0)
    if (heard) return
    for (let i = 0; i < 10; i++) step(raft, { kind: 'tick' })
    assert.equal(raft.role, 'follower', 'the timeout drawn is longer than the shortest')
    receive(raft, kind, 3, { term: 4, index: 1, logTerm: 1, ...rest })
    assert.equal(sentKinds(takeReady(raft), (kind + 1) as MessageKind)[0]?.reject, false)
  })
}

test('a sole voter leads at its first tick, and nothing leaves before its term is on disk', () => {
  const raft = makeRaft({ voters: [1], learners: [2], log: '1' })
  step(raft, { kind: 'tick' })
  assert.equal(raft.role, 'leader')
  const first = takeReady(raft)
  assert.equal(first.messages.length, 0)
  assert.equal(first.messagesAfterPersist[0]?.kind, MessageKind.Append)
  step(raft, { kind: 'tick' })
  assert.equal(takeReady(raft).messages.length, 0)
  step(raft, { kind: 'persisted', last: { term: 2, index: 2 } })
  step(raft, { kind: 'tick' })
  assert.equal(takeReady(raft).messages[0]?.kind, MessageKind.Heartbeat)
})

test('learners and strangers never campaign, and stop believing in a leader that went silent', () => {
  for (const start of [
    { voters: [2, 3], learners: [1] },
    { voters: [2, 3], learners: [] },
  ]) {
    const raft = makeRaft({ ...start, log: '1' })
    receive(raft, MessageKind.Heartbeat, 2)
    assert.equal(raft.leader, id(2))
    for (let i = 0; i < 50; i++) step(raft, { kind: 'tick' })
    assert.equal(raft.role, 'follower')
    assert.equal(raft.leader, noMember)
  }
})

for (const kind of [MessageKind.Append, MessageKind.Heartbeat] as const) {
  test(`a leader of an older term is told the term (message kind ${kind})`, () => {
    const raft = makeRaft({ log: '1', term: 5 })
    assert.equal(receive(raft, kind, 2, { term: 3 }), 'dropped')
    const [answer] = sentKinds(takeReady(raft), MessageKind.AppendResponse)
    assert.equal(answer?.term, 5)
    assert.equal(raft.leader, noMember)
  })
}

for (const kind of [MessageKind.Vote, MessageKind.PreVote] as const) {
  test(`a candidate of an older term is refused and told the term (message kind ${kind})`, () => {
    const raft = makeRaft({ log: '1', term: 5 })
    receive(raft, kind, 2, { term: 3, index: 9, logTerm: 3 })
    const [answer] = sentKinds(takeReady(raft), (kind + 1) as MessageKind)
    assert.deepEqual({ term: answer?.term, reject: answer?.reject }, { term: 5, reject: true })
  })
}

test('a leader steps down at a higher term of a member, not of a stranger', () => {
  const raft = makeLeader()
  receive(raft, MessageKind.AppendResponse, 9, { term: 8 })
  assert.equal(raft.role, 'leader')
  receive(raft, MessageKind.AppendResponse, 3, { term: 8 })
  assert.equal(raft.role, 'follower')
  assert.equal(raft.term, 8)
})

test('check-quorum: heard from a majority within each election timeout, or no leader (thesis 6.2)', () => {
  const raft = makeLeader({ voters: [1, 2, 3, 4, 5] })
  const timeout = (...heard: number[]): void => {
    for (const from of heard) receive(raft, MessageKind.HeartbeatResponse, from)
    for (let i = 0; i < 10; i++) step(raft, { kind: 'tick' })
  }
  timeout()
  timeout(2, 3)
  assert.equal(raft.role, 'leader')
  timeout(2)
  assert.equal(raft.role, 'follower')
})

for (const { name, commit, logTerm, committed } of [
  { name: 'an entry it has', commit: 2, logTerm: 1, committed: 2 },
  { name: 'another entry at that index', commit: 2, logTerm: 2, committed: 0 },
  { name: 'an entry it has not', commit: 4, logTerm: 1, committed: 0 },
]) {
  test(`a candidate learns from a refusal that ${name} is committed${committed ? '' : ', and does not believe it'}`, () => {
    const raft = makeRaft({ log: '1 1 1' })
    timeOut(raft)
    receive(raft, MessageKind.PreVoteResponse, 2, { reject: true, index: 9, commit, logTerm })
    assert.equal(raft.log.commit, committed)
  })
}

test('a candidate that learns of a change it has not applied gives up', () => {
  const raft = makeRaft({ log: '1 1c 1', commit: 1, applied: 1 })
  timeOut(raft)
  receive(raft, MessageKind.PreVoteResponse, 2, { reject: true, index: 9, commit: 2, logTerm: 1 })
  assert.equal(raft.role, 'follower')
  assert.equal(raft.term, 1)
})
