/** Members that have yet to hear what was acknowledged elsewhere: they refuse nobody for it. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { put, range } from '../../../src/service/kv.ts'
import { leaseKeepAlive } from '../../../src/service/lease-keep-alive.ts'
import {
  LeaseGrantRequest,
  LeaseKeepAliveRequest,
  LeaseKeepAliveResponse,
  PutRequest,
} from '../../../src/wire/gen/rpc.ts'
import { addUser, disable, enable, grant, revoke, userWith, withRoot } from '../../support/auth-tables.ts'
import { bytes, putRequest } from '../../support/commands.ts'
import { type Harness, RawClient, serve, tableOf } from '../../support/grpc-harness.ts'
import { LateMember } from '../../support/late-member.ts'
import { within } from '../../support/within.ts'

const row = { access: 'keys', onLearner: 'serve' } as const
const table = tableOf({
  '/etcdserverpb.KV/Put': { ...row, kind: 'unary', handler: put },
  '/etcdserverpb.KV/Range': { ...row, kind: 'unary', handler: range },
  '/etcdserverpb.Auth/UserList': { ...row, access: 'audit', kind: 'unary', handler: () => new Uint8Array(0) },
  '/etcdserverpb.Lease/LeaseKeepAlive': { ...row, kind: 'bidi', handler: leaseKeepAlive },
})

const putK = PutRequest.encode(putRequest({ key: bytes('k'), value: bytes('v') })).finish()

async function late(): Promise<{ member: LateMember; harness: Harness; client: RawClient; token: string }> {
  const member = new LateMember()
  await member.change(...withRoot, ...userWith('ann', 'read k'), addUser('eve'), enable)
  const harness = await serve(table, { member })
  return { member, harness, client: new RawClient(harness.port), token: await member.token('ann') }
}

async function inLate(
  work: (client: RawClient, member: LateMember, metadata: { token: string }) => Promise<void>,
): Promise<void> {
  const { member, harness, client, token } = await late()
  try {
    await work(client, member, { token })
  } finally {
    client[Symbol.dispose]()
    await harness[Symbol.asyncDispose]()
  }
}

test('a right that was given elsewhere is found out about before anybody is refused', () =>
  inLate(async (client, member, metadata) => {
    member.fallBehind()
    await member.change(grant('ann', 'readwrite', 'k'))
    await client.unary('/etcdserverpb.KV/Put', putK, metadata)
    assert.equal(member.barriers, 1)
  }))

test('so is a role that lets ask for a method', () =>
  inLate(async (client, member, metadata) => {
    member.fallBehind()
    await member.change({ $case: 'grant_role', value: { user: 'ann', role: 'leasehold:auditor' } })
    await client.unary('/etcdserverpb.Auth/UserList', new Uint8Array(0), metadata)
  }))

test('whoever may not is refused once the member has caught up, and asks nothing again', () =>
  inLate(async (client, member, metadata) => {
    const refusal = await client.refusal('/etcdserverpb.KV/Put', putK, metadata)
    assert.equal(refusal.code, 7)
    assert.equal(member.barriers, 1)
  }))

test('a member that knows of an old right refuses where the write is applied', () =>
  inLate(async (client, member, metadata) => {
    await member.change(grant('ann', 'readwrite', 'k'))
    member.fallBehind()
    await member.change(revoke('ann', 'k'))
    assert.equal((await client.refusal('/etcdserverpb.KV/Put', putK, metadata)).code, 7)
  }))

test('auth that was switched on or off elsewhere: whoever may, may', () =>
  inLate(async (client, member, metadata) => {
    await member.change(grant('ann', 'readwrite', 'k'), disable)
    member.fallBehind()
    await member.change(enable)
    const token = await member.token('ann')
    await client.unary('/etcdserverpb.KV/Put', putK, { token })
    member.fallBehind()
    await member.change(disable)
    await client.unary('/etcdserverpb.KV/Put', putK, metadata)
  }))

test('a lease whose keys have become the caller’s is renewed', () =>
  inLate(async (client, member, metadata) => {
    const granted = LeaseGrantRequest.encode({ TTL: 100n, ID: 5n }).finish()
    await member.propose('leaseGrant', granted, { kind: 'member' })
    const attached = PutRequest.encode(putRequest({ key: bytes('k'), lease: 5n })).finish()
    await member.propose('put', attached, { kind: 'member' })
    member.fallBehind()
    await member.change(grant('ann', 'readwrite', 'k'))
    const stream = client.bidi('/etcdserverpb.Lease/LeaseKeepAlive', metadata)
    const answer = new Promise<Buffer>((resolve, reject) => stream.on('data', resolve).on('error', reject))
    stream.write(Buffer.from(LeaseKeepAliveRequest.encode({ ID: 5n }).finish()))
    assert.equal(LeaseKeepAliveResponse.decode(await within('a renewal', answer)).TTL, 100n)
    stream.on('error', () => {})
    stream.cancel()
  }))

test('a member that cannot catch up says so instead of refusing', () =>
  inLate(async (client, member, metadata) => {
    member.barrierError = new Error('nobody answers')
    assert.notEqual((await client.refusal('/etcdserverpb.KV/Put', putK, metadata)).code, 7)
  }))
