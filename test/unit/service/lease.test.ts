import assert from 'node:assert/strict'
import { test } from 'node:test'
import { leaseId, noMember } from '../../../src/base/ids.ts'
import { EtcdError } from '../../../src/errors.ts'
import { joinedAnswer } from '../../../src/service/answer.ts'
import { put } from '../../../src/service/kv.ts'
import { leaseGrant, leaseLeases, leaseRevoke, leaseTimeToLive } from '../../../src/service/lease.ts'
import type { Member } from '../../../src/service/member.ts'
import {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  PutRequest,
} from '../../../src/wire/gen/rpc.ts'
import { AuthMember } from '../../support/auth-member.ts'
import { enable, memberCaller, userWith, withRoot } from '../../support/auth-tables.ts'
import { fakeCall, liveCall, noCredentials } from '../../support/fake-call.ts'
import { LoneMember } from '../../support/lone-member.ts'

const none = new Uint8Array(0)

const grant = async (member: Member, TTL: bigint, ID = 0n): Promise<LeaseGrantResponse> =>
  LeaseGrantResponse.decode(await leaseGrant(member, LeaseGrantRequest.encode({ TTL, ID }).finish(), liveCall))
const timeToLive = async (member: Member, ID: bigint, keys: boolean): Promise<LeaseTimeToLiveResponse> =>
  LeaseTimeToLiveResponse.decode(
    joinedAnswer(await leaseTimeToLive(member, LeaseTimeToLiveRequest.encode({ ID, keys }).finish(), liveCall)),
  )

async function refusal(call: () => unknown): Promise<string> {
  try {
    await call()
  } catch (error) {
    if (error instanceof EtcdError) return error.reason
    throw error
  }
  return 'not refused'
}

test('an id is chosen if none is given: positive and never the same', async () => {
  const member = new LoneMember()
  const ids = new Set<bigint>()
  for (let i = 0; i < 100; i++) ids.add((await grant(member, 60n)).ID)
  assert.equal(ids.size, 100)
  for (const id of ids) assert.ok(id > 0n && id < 1n << 63n)
  assert.equal((await grant(member, 60n, 77n)).ID, 77n)
  assert.equal(await refusal(() => grant(member, 60n, 77n)), 'leaseExists')
})

test('an id may be negative, as in etcd', async () => {
  const member = new LoneMember()
  for (const id of [-5n, -(1n << 63n), (1n << 63n) - 1n]) {
    assert.equal((await grant(member, 60n, id)).ID, id)
    assert.equal(await refusal(() => grant(member, 60n, id)), 'leaseExists')
    await put(
      member,
      PutRequest.encode({ ...PutRequest.decode(none), key: Buffer.from('k'), lease: id }).finish(),
      liveCall,
    )
    const { grantedTTL, keys } = await timeToLive(member, id, true)
    assert.deepEqual([grantedTTL, keys.length], [60n, 1])
    assert.equal(await member.renewLease(leaseId(id)), 60)
    await leaseRevoke(member, LeaseRevokeRequest.encode({ ID: id }).finish(), liveCall)
    assert.equal((await timeToLive(member, id, false)).TTL, -1n)
  }
})

for (const { ttl, want } of [
  { ttl: -5n, want: 2n },
  { ttl: 0n, want: 2n },
  { ttl: 1n, want: 2n },
  { ttl: 3n, want: 3n },
  { ttl: 9_000_000_000n, want: 9_000_000_000n },
]) {
  test(`a grant of ${ttl} seconds is one of ${want}`, async () => {
    assert.equal((await grant(new LoneMember(), ttl)).TTL, want)
  })
}

test('a TTL too large is refused before it reaches the log', async () => {
  const member = new LoneMember()
  assert.equal(await refusal(() => grant(member, 9_000_000_001n)), 'leaseTtlTooLarge')
  assert.deepEqual(member.proposed, [])
})

test('the time to live of a lease, with its keys in order if asked for', async () => {
  const member = new LoneMember()
  await grant(member, 60n, 5n)
  for (const key of ['b', 'a', 'c']) {
    await put(
      member,
      PutRequest.encode({ ...PutRequest.decode(none), key: Buffer.from(key), lease: 5n }).finish(),
      liveCall,
    )
  }
  const without = await timeToLive(member, 5n, false)
  assert.deepEqual([without.ID, without.grantedTTL, without.keys], [5n, 60n, []])
  assert.ok(without.TTL > 55n && without.TTL <= 60n)
  assert.equal(member.barriers, 0)
  const withKeys = await timeToLive(member, 5n, true)
  assert.deepEqual(
    withKeys.keys.map((key) => Buffer.from(key).toString()),
    ['a', 'b', 'c'],
  )
  assert.equal(member.barriers, 1)
  assert.equal(withKeys.header?.revision, 4n)
})

test('an unknown lease has -1 seconds to live and is no error; to revoke it is one', async () => {
  const member = new LoneMember()
  const unknown = await timeToLive(member, 9n, true)
  assert.deepEqual([unknown.ID, unknown.TTL, unknown.grantedTTL, unknown.keys], [9n, -1n, 0n, []])
  assert.equal(
    await refusal(() => leaseRevoke(member, LeaseRevokeRequest.encode({ ID: 9n }).finish(), liveCall)),
    'leaseNotFound',
  )
})

test('the list of leases follows grants and revocations, those first that expire first', async () => {
  const member = new LoneMember()
  const list = async (): Promise<bigint[]> =>
    LeaseLeasesResponse.decode(joinedAnswer(await leaseLeases(member, none, liveCall))).leases.map(({ ID }) => ID)
  await grant(member, 60n, 9n)
  await grant(member, 60n, 3n)
  await grant(member, 30n, -4n)
  assert.deepEqual(await list(), [-4n, 9n, 3n])
  await leaseRevoke(member, LeaseRevokeRequest.encode({ ID: 3n }).finish(), liveCall)
  assert.deepEqual(await list(), [-4n, 9n])
})

test('without a leader leases are listed as this member knows them', async () => {
  const member = new LoneMember()
  await grant(member, 60n, 9n)
  member.currentLeader = noMember
  member.leaseExpiries = () => Promise.reject(new EtcdError('noLeader'))
  const { leases } = LeaseLeasesResponse.decode(joinedAnswer(await leaseLeases(member, none, liveCall)))
  assert.deepEqual(leases, [{ ID: 9n }])
})

test('the keys of a lease and the list of leases are the same however many there are', async () => {
  const member = new LoneMember()
  const count = 500
  for (let n = 1; n <= count; n++) await grant(member, BigInt(100 + n), BigInt(n))
  await grant(member, 60n, -5n)
  const { leases } = LeaseLeasesResponse.decode(joinedAnswer(await leaseLeases(member, none, liveCall)))
  assert.deepEqual(
    leases.map(({ ID }) => ID),
    [-5n, ...Array.from({ length: count }, (_, n) => BigInt(n + 1))],
  )
  const names = Array.from({ length: count }, (_, n) => `key/${String(n).padStart(4, '0')}`)
  for (const name of names) {
    const request = { ...PutRequest.decode(none), key: Buffer.from(name), lease: -5n }
    await member.propose('put', PutRequest.encode(request).finish())
  }
  const { keys } = await timeToLive(member, -5n, true)
  assert.deepEqual(
    keys.map((key) => Buffer.from(key).toString()),
    names,
  )
})

test('a lease without keys is shown to those only who may read every key', async () => {
  const member = new AuthMember()
  await member.change(
    ...withRoot,
    ...userWith('ann', 'readwrite a,b'),
    ...userWith('eve', 'readwrite e,f'),
    ...userWith('reader', 'read \x00,'),
    enable,
  )
  const leases = async (certificateName: string): Promise<bigint[]> => {
    const call = fakeCall({ ...noCredentials, certificateName })
    return LeaseLeasesResponse.decode(joinedAnswer(await leaseLeases(member, none, call))).leases.map(({ ID }) => ID)
  }
  await member.propose('leaseGrant', LeaseGrantRequest.encode({ TTL: 60n, ID: 7n }).finish(), memberCaller)
  for (const [who, want] of Object.entries({ root: [7n], reader: [7n], ann: [], eve: [] })) {
    assert.deepEqual(await leases(who), want, who)
  }
  const key = PutRequest.encode({ ...PutRequest.decode(none), key: Buffer.from('a'), lease: 7n }).finish()
  await member.propose('put', key, memberCaller)
  for (const [who, want] of Object.entries({ root: [7n], reader: [7n], ann: [7n], eve: [] })) {
    assert.deepEqual(await leases(who), want, who)
  }
})
