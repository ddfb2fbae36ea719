import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageKind, type Raft, step, takeReady } from '../../../src/raft/index.ts'
import { acknowledgeAll, makeLeader } from './lead.ts'
import { id, makeRaft, proposeChange, receive, sentKinds, settle, timeOut } from './make-raft.ts'

const read = (raft: Raft, context: bigint): unknown => step(raft, { kind: 'readIndex', context })

function establishedLeader(voters: number[]): Raft {
  const raft = makeLeader({ voters })
  for (const voter of voters.slice(1)) acknowledgeAll(raft, voter)
  settle(raft)
  return raft
}

test('a new leader answers no read before it has committed in its term', () => {
  const raft = makeLeader({ log: '1 1', commit: 2, applied: 2 })
  read(raft, 5n)
  assert.equal(sentKinds(takeReady(raft), MessageKind.Heartbeat).length, 0)
  acknowledgeAll(raft, 2)
  const [heartbeat] = sentKinds(takeReady(raft), MessageKind.Heartbeat)
  assert(heartbeat?.context)
  receive(raft, MessageKind.HeartbeatResponse, 2, { context: heartbeat.context })
  assert.deepEqual(takeReady(raft).readStates, [{ context: 5n, index: 3 }])
})

test('a majority must confirm, and a later round confirms an earlier one', () => {
  const raft = establishedLeader([1, 2, 3, 4, 5])
  read(raft, 1n)
  read(raft, 2n)
  const first = sentKinds(takeReady(raft), MessageKind.Heartbeat)[0]?.context ?? 0n
  read(raft, 3n)
  const second = sentKinds(takeReady(raft), MessageKind.Heartbeat)[0]?.context ?? 0n
  assert(second > first && first > 0n)
  receive(raft, MessageKind.HeartbeatResponse, 2, { context: second })
  receive(raft, MessageKind.HeartbeatResponse, 2, { context: second })
  assert.equal(takeReady(raft).readStates.length, 0, 'one member is no majority, however often it answers')
  receive(raft, MessageKind.HeartbeatResponse, 9, { context: second })
  receive(raft, MessageKind.HeartbeatResponse, 3, { context: second + 7n })
  assert.equal(takeReady(raft).readStates.length, 0, 'neither strangers nor rounds that never were')
  receive(raft, MessageKind.HeartbeatResponse, 4, { context: first })
  assert.deepEqual(
    takeReady(raft).readStates.map(({ context }) => context),
    [1n, 2n],
  )
  receive(raft, MessageKind.HeartbeatResponse, 5, { context: second })
  assert.deepEqual(
    takeReady(raft).readStates.map(({ context }) => context),
    [3n],
  )
})

test('heartbeats repeat the round until it is confirmed: a lost one costs a tick', () => {
  const raft = establishedLeader([1, 2, 3])
  read(raft, 1n)
  const context = sentKinds(takeReady(raft), MessageKind.Heartbeat)[0]?.context
  step(raft, { kind: 'tick' })
  assert.equal(sentKinds(takeReady(raft), MessageKind.Heartbeat)[0]?.context, context)
})

test('contexts of different members may be equal', () => {
  const raft = establishedLeader([1, 2, 3])
  read(raft, 7n)
  receive(raft, MessageKind.ReadIndex, 2, { context: 7n })
  receive(raft, MessageKind.ReadIndex, 3, { context: 7n })
  assert.equal(receive(raft, MessageKind.ReadIndex, 9, { context: 7n }), 'dropped')
  const context = sentKinds(takeReady(raft), MessageKind.Heartbeat)[0]?.context ?? 0n
  receive(raft, MessageKind.HeartbeatResponse, 3, { context })
  const ready = takeReady(raft)
  assert.deepEqual(ready.readStates, [{ context: 7n, index: 1 }])
  assert.deepEqual(
    sentKinds(ready, MessageKind.ReadIndexResponse).map(({ to, context, index }) => ({ to, context, index })),
    [
      { to: id(2), context: 7n, index: 1 },
      { to: id(3), context: 7n, index: 1 },
    ],
  )
})

test('a follower asks its leader, and takes the answer from it only', () => {
  const raft = makeRaft()
  assert.equal(read(raft, 1n), 'dropped')
  receive(raft, MessageKind.Heartbeat, 2, { term: 1 })
  settle(raft)
  assert.equal(read(raft, 1n), 'accepted')
  const [question] = sentKinds(takeReady(raft), MessageKind.ReadIndex)
  assert.deepEqual([question?.to, question?.context], [id(2), 1n])
  assert.equal(receive(raft, MessageKind.ReadIndexResponse, 3, { context: 1n, index: 9 }), 'dropped')
  receive(raft, MessageKind.ReadIndexResponse, 2, { context: 1n, index: 4 })
  assert.deepEqual(takeReady(raft).readStates, [{ context: 1n, index: 4 }])
})

test('a sole voter answers at once, but not before it has committed in its term', () => {
  const raft = makeRaft({ voters: [1], learners: [2] })
  step(raft, { kind: 'tick' })
  read(raft, 1n)
  const { entries, readStates } = takeReady(raft)
  assert.equal(readStates.length, 0)
  step(raft, { kind: 'persisted', last: entries[0]! })
  assert.deepEqual(takeReady(raft).readStates, [{ context: 1n, index: 1 }])
})

test('who loses leadership answers none of its reads', () => {
  const raft = establishedLeader([1, 2, 3])
  read(raft, 1n)
  const context = sentKinds(takeReady(raft), MessageKind.Heartbeat)[0]?.context ?? 0n
  const { term } = raft
  receive(raft, MessageKind.Heartbeat, 2, { term: term + 1 })
  receive(raft, MessageKind.HeartbeatResponse, 2, { term, context })
  receive(raft, MessageKind.HeartbeatResponse, 3, { term: term + 1, context })
  assert.equal(takeReady(raft).readStates.length, 0)
})

test('a read asked in one term of office is not answered in the next', () => {
  const raft = establishedLeader([1, 2, 3])
  read(raft, 1n)
  settle(raft)
  receive(raft, MessageKind.Heartbeat, 2, { term: raft.term + 1 })
  settle(raft)
  for (const kind of [MessageKind.PreVoteResponse, MessageKind.VoteResponse] as const) {
    if (kind === MessageKind.PreVoteResponse) timeOut(raft)
    settle(raft)
    receive(raft, kind, 3, { term: raft.term + (kind === MessageKind.PreVoteResponse ? 1 : 0), index: 1 })
  }
  assert.equal(raft.role, 'leader')
  settle(raft)
  acknowledgeAll(raft, 3)
  read(raft, 2n)
  const context = sentKinds(takeReady(raft), MessageKind.Heartbeat)[0]?.context ?? 0n
  receive(raft, MessageKind.HeartbeatResponse, 3, { context })
  assert.deepEqual(
    takeReady(raft).readStates.map((state) => state.context),
    [2n],
  )
})

test('a majority that became smaller may have confirmed already', () => {
  const raft = establishedLeader([1, 2])
  assert.equal(proposeChange(raft), 'accepted')
  settle(raft)
  acknowledgeAll(raft, 2)
  settle(raft)
  read(raft, 1n)
  assert.equal(settle(raft).readStates.length, 0)
  step(raft, { kind: 'confChangeApplied', change: { kind: 'remove', member: id(2) } })
  assert.deepEqual(settle(raft).readStates, [{ context: 1n, index: 2 }])
})

test('reads that wait are bounded', () => {
  const raft = makeLeader()
  let accepted = 0
  while (accepted < 20_000 && read(raft, BigInt(accepted + 1)) === 'accepted') accepted++
  assert.equal(accepted, 10_000)
})
