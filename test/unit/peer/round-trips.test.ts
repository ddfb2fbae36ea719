import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memberId } from '../../../src/base/ids.ts'
import { RoundTrips } from '../../../src/peer/round-trips.ts'
import { type Message, MessageKind } from '../../../src/raft/types.ts'

const [self, other, gone] = [memberId(1n), memberId(2n), memberId(3n)]
const heartbeat = (to = other): Message[] => [{ kind: MessageKind.Heartbeat, from: self, to } as Message]
const answer = (from = other) => ({ kind: MessageKind.HeartbeatResponse, from, to: self }) as Message

test('a trip is timed from the heartbeat that began it, and no answer counts twice', () => {
  let nowMs = 0
  const trips = new RoundTrips(() => nowMs)
  trips.received(answer())
  trips.sent(heartbeat())
  nowMs = 100
  trips.sent(heartbeat())
  nowMs = 130
  trips.received(answer())
  trips.received(answer())
  assert.deepEqual([...trips.seconds.keys()], [other])
  assert.equal(trips.seconds.get(other)!.sum, 0.13)
})

test('a member that was away is measured from a new heartbeat, and one that left is forgotten', () => {
  let nowMs = 0
  const trips = new RoundTrips(() => nowMs)
  trips.sent([...heartbeat(), ...heartbeat(gone)])
  trips.received(answer(gone))
  nowMs = 60_000
  trips.sent(heartbeat())
  nowMs += 2
  trips.received(answer())
  assert.equal(trips.seconds.get(other)!.sum, 0.002)
  trips.keep(new Set([self, other]))
  assert.deepEqual([...trips.seconds.keys()], [other])
})

test('only heartbeats are timed', () => {
  const trips = new RoundTrips(() => 0)
  trips.sent([{ kind: MessageKind.Append, from: self, to: other } as Message])
  trips.received(answer())
  assert.equal(trips.seconds.size, 0)
})
