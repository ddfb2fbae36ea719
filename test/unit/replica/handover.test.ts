import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memberId } from '../../../src/base/ids.ts'
import { limits } from '../../../src/base/limits.ts'
import { type Message, MessageKind, type Proposal } from '../../../src/raft/types.ts'
import { Handover } from '../../../src/replica/handover.ts'

const proposal = (size = 1): Proposal => ({ type: 'normal', data: new Uint8Array(size) })
const message = (kind: MessageKind, proposals: readonly Proposal[]): Message => ({
  kind,
  from: memberId(2n),
  to: memberId(1n),
  term: 1,
  proposals,
})

function taken(handover: Handover): Proposal[] {
  const all: Proposal[] = []
  handover.passOn((batch) => {
    all.push(...batch)
    return true
  })
  return all
}

test('writes are kept only while leadership is handed over, in order, and taken once', () => {
  const handover = new Handover()
  const [first, second, late] = [proposal(), proposal(), proposal()]
  handover.keep(message(MessageKind.Propose, [late]), 0)
  assert.ok(handover.isEmpty)
  handover.begin(0, 100)
  handover.keep(message(MessageKind.Propose, [first]), 50)
  handover.keep(message(MessageKind.Propose, [second]), 100)
  handover.keep(message(MessageKind.Append, [late]), 100)
  handover.keep(message(MessageKind.Propose, [late]), 101)
  assert.deepEqual(taken(handover), [first, second])
  assert.ok(handover.isEmpty)
  assert.deepEqual(taken(handover), [])
})

test('no more is kept than a leader takes', () => {
  const handover = new Handover()
  handover.begin(0, 100)
  const half = Math.ceil(limits.raftUncommittedBytesMax / 2)
  for (let i = 0; i < 3; i++) handover.keep(message(MessageKind.Propose, [proposal(half)]), 0)
  assert.equal(taken(handover).length, 2)
})

test('what nobody takes yet waits for the next leader, and is forgotten when there is none for long', () => {
  const handover = new Handover()
  const [first, second] = [proposal(), proposal()]
  handover.begin(0, 100)
  handover.keep(message(MessageKind.Propose, [first, second]), 50)
  handover.passOn(() => false)
  handover.expire(200)
  assert.deepEqual(taken(handover), [first, second])
  handover.keep(message(MessageKind.Propose, [first]), 50)
  handover.expire(201)
  assert.ok(handover.isEmpty)
})
