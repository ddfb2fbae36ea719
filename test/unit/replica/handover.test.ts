import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memberId } from '../../../src/base/ids.ts'
import { limits } from '../../../src/base/limits.ts'
import { type Message, MessageKind, type Proposal } from '../../../src/raft/types.ts'
import { Handover } from '../../../src/replica/handover.ts'

const message = (kind: MessageKind = MessageKind.Propose, bytes = 1, term = 1): Message => {
  const proposals: readonly Proposal[] = [{ type: 'normal', data: new Uint8Array(bytes) }]
  return { kind, from: memberId(2n), to: memberId(1n), term, proposals }
}

function taken(handover: Handover, term = 1): Message[] {
  const all: Message[] = []
  handover.retry(term, (one) => {
    all.push(one)
    return true
  })
  return all
}

test('writes are kept only while leadership is handed over, in order, and taken once', () => {
  const handover = new Handover()
  const [first, second] = [message(), message()]
  handover.keep(message(), 0)
  assert.ok(handover.isEmpty)
  handover.begin(0, 100)
  handover.keep(first, 50)
  handover.keep(second, 200)
  handover.keep(message(MessageKind.Append), 200)
  handover.keep(message(), 201)
  assert.deepEqual(taken(handover), [first, second])
  assert.ok(handover.isEmpty)
  assert.deepEqual(taken(handover), [])
})

test('no more is kept than a leader takes', () => {
  const handover = new Handover()
  handover.begin(0, 100)
  const half = Math.ceil(limits.raftUncommittedBytesMax / 2)
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 3; i++) handover.keep(message(MessageKind.Propose, half), 0)
    assert.equal(taken(handover).length, 2)
  }
})

test('what is not taken yet waits, until the hand-over must be over', () => {
  const handover = new Handover()
  const one = message()
  handover.begin(0, 100)
  handover.keep(one, 50)
  handover.retry(1, () => false)
  handover.expire(200)
  assert.deepEqual(taken(handover), [one])
  handover.keep(one, 50)
  handover.expire(201)
  assert.ok(handover.isEmpty)
})

test('when the term is over, who sent the writes has the next leader take them', () => {
  const handover = new Handover()
  handover.begin(0, 100)
  handover.keep(message(), 50)
  assert.deepEqual(taken(handover, 2), [])
  assert.ok(handover.isEmpty)
})
