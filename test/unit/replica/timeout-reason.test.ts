import assert from 'node:assert/strict'
import test from 'node:test'
import { memberId } from '../../../src/base/ids.ts'
import { timeoutReason } from '../../../src/replica/timeout-reason.ts'

interface Case {
  name: string
  leader: number
  electedMs?: number
  connected: { [member: number]: number }
  want: string
}

/** The write came at 10 s and timed out at 17 s; an election takes 1 s; this is member 1 of 1, 2 and 3. */
for (const { name, leader, electedMs = null, connected, want } of [
  { name: 'the leader is there and slow', leader: 2, electedMs: 1000, connected: { 2: 16_000 }, want: 'timeout' },
  { name: 'this member leads and reaches one other', leader: 1, connected: { 3: 16_000 }, want: 'timeout' },
  { name: 'this member leads and reaches nobody', leader: 1, connected: {}, want: 'timeoutConnectionLost' },
  { name: 'there is no leader', leader: 0, connected: {}, want: 'timeout' },
  { name: 'the leader is not reached', leader: 2, connected: { 3: 16_000 }, want: 'timeoutConnectionLost' },
  { name: 'the connection came back since', leader: 2, connected: { 2: 6999 }, want: 'timeoutConnectionLost' },
  {
    name: 'a leader was elected just after it',
    leader: 2,
    electedMs: 11_999,
    connected: {},
    want: 'timeoutLeaderFailure',
  },
  {
    name: 'a leader was elected long after it',
    leader: 2,
    electedMs: 12_000,
    connected: { 2: 16_000 },
    want: 'timeout',
  },
  { name: 'a leader was elected before it', leader: 2, electedMs: 10_000, connected: { 2: 16_000 }, want: 'timeout' },
] satisfies Case[] as Case[]) {
  test(`why a write timed out: ${name}`, () => {
    const reason = timeoutReason(10_000, {
      self: memberId(1n),
      voters: [1n, 2n, 3n].map(memberId),
      leader: memberId(BigInt(leader)),
      electedMs,
      electionTimeoutMs: 1000,
      nowMs: 17_000,
      connectedMs: (member) => connected[Number(member)] ?? null,
    })
    assert.equal(reason, want)
  })
}

test('a member alone reaches all there are', () => {
  const self = memberId(1n)
  const alone = { self, voters: [self], leader: self, electedMs: null, electionTimeoutMs: 1000, nowMs: 9000 }
  assert.equal(timeoutReason(2000, { ...alone, connectedMs: () => null }), 'timeout')
})
