import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MemberId, memberId } from '../../../src/base/ids.ts'
import { silentLog } from '../../../src/base/log.ts'
import { decodeMemberList, encodeMemberList, type PeerMembers } from '../../../src/peer/member-list.ts'
import { MemberRoster } from '../../../src/peer/member-roster.ts'

const list = (...ids: number[]): PeerMembers =>
  new Map(ids.map((id) => [memberId(BigInt(id)), { peerUrls: [`https://m${id}:2380`] }]))
const one = memberId(1n)
const two = memberId(2n)
const four = memberId(4n)
const idsOf = (roster: MemberRoster): MemberId[] => [...roster.others().keys()].sort()

const roster = (...own: number[]): MemberRoster => {
  const made = new MemberRoster(one, 'https:', silentLog)
  made.setOwn(list(...own))
  return made
}

test('our own configuration, without this member', () => {
  assert.deepEqual(idsOf(roster(1, 2, 3)), [2n, 3n])
})

test('a member may vouch for others; someone else may not', () => {
  const made = roster(1, 2)
  assert.equal(made.vouch(two, list(1, 2, 4)), true)
  assert.equal(made.vouch(four, list(1, 2, 4, 5)), false)
  assert.deepEqual(idsOf(made), [2n, 4n])
  assert.equal(made.others().get(four)![0]!.href, 'https://m4:2380/')
})

test('only the newest word of a member counts, and none of one that was removed', () => {
  const made = roster(1, 2, 3)
  made.vouch(two, list(4, 5))
  made.vouch(two, list(5))
  assert.deepEqual(idsOf(made), [2n, 3n, 5n])
  made.setOwn(list(1, 3))
  assert.deepEqual(idsOf(made), [3n])
})

test('our own word about an address wins', () => {
  const made = roster(1, 2, 4)
  made.vouch(two, new Map([[four, { peerUrls: ['https://elsewhere:1'] }]]))
  assert.equal(made.others().get(four)![0]!.href, 'https://m4:2380/')
})

test('whom we removed stays out, until our own configuration says otherwise', () => {
  const made = roster(1, 2, 4)
  made.setOwn(list(1, 2))
  made.vouch(two, list(1, 2, 4))
  assert.deepEqual(idsOf(made), [2n])
  made.setOwn(list(1, 2, 4))
  assert.deepEqual(idsOf(made), [2n, 4n])
})

test('unusable URLs are left out, and reported once', () => {
  const lines: unknown[] = []
  const made = new MemberRoster(one, 'https:', { ...silentLog, error: (_, fields) => lines.push(fields!.url) })
  made.setOwn(new Map([[two, { peerUrls: ['http://plain:1', 'nonsense', 'https://m2:2380'] }]]))
  made.others()
  assert.deepEqual(made.others().get(two)!.map(String), ['https://m2:2380/'])
  assert.deepEqual(lines, ['http://plain:1', 'nonsense'])
  made.setOwn(new Map([[two, { peerUrls: [] }]]))
  assert.deepEqual(idsOf(made), [])
})

test('lists survive the wire', () => {
  const members = new Map([[memberId(2n ** 64n - 1n), { peerUrls: ['https://a:1', 'https://b:2'] }], ...list(1, 2)])
  assert.deepEqual(decodeMemberList(encodeMemberList(members)), members)
  assert.deepEqual(decodeMemberList(encodeMemberList(new Map())), new Map())
})

for (const { name, payload } of [
  { name: 'garbage', payload: Buffer.from([0xff, 0xff]) },
  { name: 'another field', payload: Buffer.from([8, 1]) },
  { name: 'a truncated member', payload: Buffer.from([10, 5, 9]) },
  { name: 'too many members', payload: encodeMemberList(list(...Array.from({ length: 101 }, (_, i) => i + 1))) },
  { name: 'too many bytes', payload: Buffer.alloc(65 * 1024) },
]) {
  test(`a list is refused: ${name}`, () => {
    assert.throws(() => decodeMemberList(payload), { name: 'PeerProtocolError' })
  })
}
