import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noMember } from '../../../src/base/ids.ts'
import { limits } from '../../../src/base/limits.ts'
import { silentLog } from '../../../src/base/log.ts'
import { campaign, leader, proclaim, resign } from '../../../src/service/election.ts'
import { observe } from '../../../src/service/election-observer.ts'
import { compact, put } from '../../../src/service/kv.ts'
import { leaseGrant, leaseRevoke } from '../../../src/service/lease.ts'
import { lock, unlock } from '../../../src/service/lock.ts'
import { TurnQueue } from '../../../src/service/turn-queue.ts'
import { createWatchService } from '../../../src/service/watch.ts'
import {
  CampaignRequest,
  CampaignResponse,
  type LeaderKey,
  LeaderRequest,
  LeaderResponse,
  ProclaimRequest,
  ResignRequest,
} from '../../../src/wire/gen/election.ts'
import { LockRequest, LockResponse, UnlockRequest, UnlockResponse } from '../../../src/wire/gen/lock.ts'
import {
  CompactionRequest,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseRevokeRequest,
  PutRequest,
} from '../../../src/wire/gen/rpc.ts'
import { fakeCall, liveCall } from '../../support/fake-call.ts'
import { FakeStream } from '../../support/fake-stream.ts'
import { LoneMember } from '../../support/lone-member.ts'
import { waitFor } from '../../support/wait-for.ts'
import { within } from '../../support/within.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const text = (of: Uint8Array | undefined): string => Buffer.from(of ?? []).toString()

function setUp() {
  const member = new LoneMember()
  const watch = createWatchService(member, { log: silentLog })
  const queue = new TurnQueue(watch)
  const keyOf = (name: string, lease: bigint): string => `${name}/${lease.toString(16)}`
  return {
    member,
    watch,
    keyOf,
    async grant(): Promise<bigint> {
      const request = LeaseGrantRequest.encode({ TTL: 60n, ID: 0n }).finish()
      return LeaseGrantResponse.decode(await leaseGrant(member, request, liveCall)).ID
    },
    revoke: (lease: bigint) => leaseRevoke(member, LeaseRevokeRequest.encode({ ID: lease }).finish(), liveCall),
    lock: async (name: string, lease: bigint, call = liveCall): Promise<LockResponse> =>
      LockResponse.decode(await lock(queue, member, LockRequest.encode({ name: bytes(name), lease }).finish(), call)),
    unlock: async (key: Uint8Array): Promise<UnlockResponse> =>
      UnlockResponse.decode(await unlock(member, UnlockRequest.encode({ key }).finish(), liveCall)),
    async campaign(name: string, lease: bigint, value: string, call = liveCall): Promise<CampaignResponse> {
      const request = CampaignRequest.encode({ name: bytes(name), lease, value: bytes(value) }).finish()
      return CampaignResponse.decode(await campaign(queue, member, request, call))
    },
    proclaim: (leader: LeaderKey | undefined, value: string) =>
      proclaim(member, ProclaimRequest.encode({ leader, value: bytes(value) }).finish(), liveCall),
    resign: (leader: LeaderKey | undefined) => resign(member, ResignRequest.encode({ leader }).finish(), liveCall),
    leader: async (name: string): Promise<LeaderResponse> =>
      LeaderResponse.decode(await leader(member, LeaderRequest.encode({ name: bytes(name) }).finish(), liveCall)),
    observe(name: string, stream: FakeStream): void {
      const call = fakeCall()
      stream.onClose(() => call.end())
      observe(watch, member, LeaderRequest.encode({ name: bytes(name) }).finish(), stream, call)
    },
    has: (key: string): boolean => member.view.get('current', bytes(key)) !== undefined,
    put: (key: string, value: string) =>
      put(
        member,
        PutRequest.encode({ ...PutRequest.decode(bytes('')), key: bytes(key), value: bytes(value) }).finish(),
        liveCall,
      ),
  }
}

/** Lets everything go on that can. */
async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Whether it has come about by now. */
async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let pending = true
  const over = (): void => {
    pending = false
  }
  promise.then(over, over)
  await settle()
  return pending
}

test('a lock is had by one lease at a time, in the order of asking', async () => {
  const it = setUp()
  const [first, second, third] = [await it.grant(), await it.grant(), await it.grant()] as const
  const held = await it.lock('l', first)
  assert.equal(text(held.key), it.keyOf('l', first))
  const again = await it.lock('l', first)
  assert.deepEqual(again.key, held.key, 'the lease that has it gets it again')
  const waiting = it.lock('l', second)
  assert.ok(await isPending(waiting))
  const last = it.lock('l', third)
  assert.ok(await isPending(last))
  const other = await it.lock('l2', third)
  assert.equal(text(other.key), it.keyOf('l2', third), 'another lock is another lock')
  const unlocked = await it.unlock(held.key)
  const next = await within('the next has it', waiting)
  assert.ok(next.header!.revision >= unlocked.header!.revision, 'a fencing token above the last one')
  assert.ok(await isPending(last))
  await it.revoke(second)
  assert.ok((await within('the last has it', last)).header!.revision > next.header!.revision)
})

test('without a lease, a lock has one of its own', async () => {
  const it = setUp()
  const held = await it.lock('l', 0n)
  assert.match(text(held.key), /^l\/[0-9a-f]+$/)
  const call = fakeCall()
  const waiting = it.lock('l', 0n, call)
  assert.ok(await isPending(waiting))
  call.end()
  await assert.rejects(waiting, { name: 'StatusError' })
  await settle()
  assert.equal(it.member.proposed.at(-1)!.kind, 'leaseRevoke', 'the lease goes with the caller')
})

test('whoever goes while waiting leaves the queue, unless another call waits for the same key', async () => {
  const it = setUp()
  const [holder, waiter] = [await it.grant(), await it.grant()] as const
  const held = await it.lock('l', holder)
  const calls = [fakeCall(), fakeCall()] as const
  const waits = calls.map((call) => it.lock('l', waiter, call))
  assert.ok(await isPending(Promise.race(waits)))
  calls[0].end()
  await assert.rejects(waits[0]!, { name: 'StatusError' })
  await settle()
  assert.ok(it.has(it.keyOf('l', waiter)))
  calls[1].end()
  await assert.rejects(waits[1]!, { name: 'StatusError' })
  await settle()
  assert.ok(!it.has(it.keyOf('l', waiter)))
  const over = fakeCall()
  over.end()
  await assert.rejects(it.lock('l', holder, over), { name: 'StatusError' })
  await settle()
  assert.ok(it.has(text(held.key)), 'what was had before the call stays')
})

test('a key that is deleted while its caller waits is not given the lock', async () => {
  const it = setUp()
  const [holder, waiter] = [await it.grant(), await it.grant()] as const
  const held = await it.lock('l', holder)
  const waiting = it.lock('l', waiter)
  assert.ok(await isPending(waiting))
  await it.revoke(waiter)
  await assert.rejects(within('the lost one is told', waiting), { reason: 'sessionExpired' })
  // Deleted and made again is another place in the queue.
  const other = await it.grant()
  const replaced = it.lock('l', other)
  assert.ok(await isPending(replaced))
  await it.unlock(bytes(it.keyOf('l', other)))
  await it.put(it.keyOf('l', other), '')
  await it.unlock(held.key)
  await assert.rejects(within('the replaced one is told', replaced), { reason: 'sessionExpired' })
})

test('a wait goes on when history is compacted under it, and ends with the service', async () => {
  const it = setUp()
  const [holder, waiter] = [await it.grant(), await it.grant()] as const
  const held = await it.lock('l', holder)
  const waiting = it.lock('l', waiter)
  assert.ok(await isPending(waiting))
  await it.put('x', '1')
  const revision = BigInt(it.member.revision())
  await compact(it.member, CompactionRequest.encode({ revision, physical: false }).finish(), liveCall)
  assert.ok(await isPending(waiting))
  it.watch.close()
  await assert.rejects(within('the wait ends', waiting), { reason: 'stopped' })
  assert.ok(it.has(text(held.key)))
})

test('a wait for a lock goes on when the whole state is replaced, and what went with the old one is noticed', async () => {
  const it = setUp()
  const [holder, waiter] = [await it.grant(), await it.grant()] as const
  const held = await it.lock('l', holder)
  const waiting = it.lock('l', waiter)
  assert.ok(await isPending(waiting))
  const { member } = it
  const tell = member.commit
  member.commit = () => {}
  await it.unlock(held.key)
  member.commit = tell
  assert.ok(await isPending(waiting), 'nobody has told of the deletion')
  const revision = member.revision()
  member.commit({ appliedIndex: 99, revision, compactRevision: revision, events: [], replaced: true })
  await within('the waiter has it', waiting)
})

test('a turn that ends costs a few reads, however many wait', async () => {
  const it = setUp()
  const callers = 200
  const leases = await Promise.all(Array.from({ length: callers }, () => it.grant()))
  const before = it.member.barriers
  let holders = 0
  const all = leases.map(async (lease) => {
    const { key } = await it.lock('l', lease)
    assert.equal(++holders, 1)
    await settle()
    holders--
    await it.unlock(key)
  })
  await within('all have had it', Promise.all(all))
  assert.ok(it.member.barriers - before < 3 * callers, `${it.member.barriers - before} reads`)
})

test('waits are bounded', async () => {
  const it = setUp()
  await it.lock('l', await it.grant())
  const calls = Array.from({ length: 3 }, () => fakeCall())
  const writable = limits as { turnWaitersMax: number }
  const max = writable.turnWaitersMax
  writable.turnWaitersMax = 2
  try {
    const leases = [await it.grant(), await it.grant(), await it.grant()]
    const waits = leases.map((lease, at) => it.lock('l', lease, calls[at]!))
    await assert.rejects(within('the third is refused', waits[2]!), { reason: 'tooManyRequests' })
    await settle()
    assert.ok(!it.has(it.keyOf('l', leases[2]!)), 'and leaves no key')
    for (const call of calls) call.end()
    for (const wait of waits) await assert.rejects(wait)
  } finally {
    writable.turnWaitersMax = max
  }
})

for (const { what, name, lease, reason } of [
  { what: 'an unknown lease', name: 'l', lease: 4711n, reason: 'leaseNotFound' },
  { what: 'a negative lease', name: 'l', lease: -1n, reason: 'leaseNotFound' },
  { what: 'the largest lease', name: 'l', lease: 2n ** 63n - 1n, reason: 'leaseNotFound' },
  { what: 'a name of 1 MiB', name: 'x'.repeat(2 ** 20), lease: 1n, reason: 'requestTooLarge' },
]) {
  test(`a lock with ${what} is refused`, async () => {
    await assert.rejects(setUp().lock(name, lease), { reason })
    await assert.rejects(setUp().campaign(name, lease, 'v'), { reason })
  })
}

test('names may be anything; unlocking nothing is no error, without a key it is', async () => {
  const it = setUp()
  const lease = await it.grant()
  for (const name of ['', '\0', '/', 'a/b']) assert.equal(text((await it.lock(name, lease)).key), it.keyOf(name, lease))
  await it.unlock(bytes('nothing'))
  await assert.rejects(it.unlock(bytes('')), { reason: 'emptyKey' })
})

test('a leader is elected, speaks and resigns', async () => {
  const it = setUp()
  const [first, second] = [await it.grant(), await it.grant()] as const
  await assert.rejects(it.leader('e'), { reason: 'electionNoLeader' })
  const { leader: one } = await it.campaign('e', first, 'v1')
  assert.deepEqual([text(one!.name), text(one!.key), one!.lease], ['e', it.keyOf('e', first), first])
  assert.equal(one!.rev, BigInt(it.member.revision()))
  const again = await it.campaign('e', first, 'v2')
  assert.equal(again.leader!.rev, one!.rev)
  assert.equal(text((await it.leader('e')).kv?.value), 'v2', 'a leader that campaigns again says the new value')
  const waiting = it.campaign('e', second, 'w')
  assert.ok(await isPending(waiting))
  await it.proclaim(one, 'v3')
  assert.equal(text((await it.leader('e')).kv?.value), 'v3')
  await it.proclaim({ ...one!, lease: 0n }, 'v4')
  assert.equal((await it.leader('e')).kv?.lease, first, 'no lease keeps the lease')
  for (const wrong of [{ rev: one!.rev + 1n }, { rev: 0n }, { rev: -1n }, { key: bytes('e/nobody') }])
    await assert.rejects(it.proclaim({ ...one!, ...wrong }, 'x'), { reason: 'electionNotLeader' })
  await it.resign({ ...one!, rev: one!.rev + 1n })
  assert.ok(await isPending(waiting), 'nobody else can resign for the leader')
  await it.resign(one)
  const { leader: two } = await within('the second is elected', waiting)
  assert.ok(two!.rev > one!.rev)
  assert.equal(text((await it.leader('e')).kv?.value), 'w')
  await assert.rejects(it.proclaim(one, 'late'), { reason: 'electionNotLeader' })
  await it.resign(one)
  for (const call of [it.proclaim(undefined, 'x'), it.resign(undefined)])
    await assert.rejects(call, { message: '"leader" field must be provided' })
})

test('a campaigner whose key is deleted while it waits is not elected', async () => {
  const it = setUp()
  const lease = await it.grant()
  await it.campaign('e', await it.grant(), 'a')
  const waiting = it.campaign('e', lease, 'b')
  assert.ok(await isPending(waiting))
  await it.revoke(lease)
  await assert.rejects(within('it is told', waiting), { reason: 'electionNotLeader' })
})

test('an observer is told of every leader and every word, in order', async () => {
  const it = setUp()
  const stream = new FakeStream()
  it.observe('e', stream)
  const heard = (): string[] => stream.written.map((message) => text(LeaderResponse.decode(message).kv?.value))
  const { leader: one } = await it.campaign('e', await it.grant(), '0')
  const waiting = it.campaign('e', await it.grant(), '3')
  for (const value of ['1', '2']) await it.proclaim(one, value)
  await it.resign(one)
  const { leader: two } = await within('the second is elected', waiting)
  await waitFor('the observer has heard of it', () => heard().at(-1) === '3')
  await it.proclaim(two, '4')
  await waitFor('the observer has heard the last word', () => heard().at(-1) === '4')
  assert.deepEqual(heard(), ['0', '1', '2', '3', '4'])
  const late = new FakeStream()
  it.observe('e', late)
  await waitFor('a late observer hears the latest', () => late.written.length === 1)
  assert.equal(LeaderResponse.decode(late.written[0]!).kv?.mod_revision, BigInt(it.member.revision()))
  stream.close()
  await it.proclaim(two, '5')
  await settle()
  assert.equal(stream.written.length, 5)
  it.watch.close()
  await settle()
  assert.equal(late.reason, 'stopped')
})

test('an observer that does not read is told the rest when it does', async () => {
  const it = setUp()
  const { leader: one } = await it.campaign('e', await it.grant(), '0')
  const stream = new FakeStream()
  stream.writable = false
  it.observe('e', stream)
  await waitFor('it has been told of the leader', () => stream.written.length === 1)
  for (let value = 1; value <= 50; value++) await it.proclaim(one, String(value))
  await settle()
  assert.ok(stream.written.length <= 3, `${stream.written.length} messages`)
  await waitFor('all has been told', () => {
    stream.drain()
    return text(LeaderResponse.decode(stream.written.at(-1)!).kv?.value) === '50'
  })
  assert.equal(stream.written.length, 51)
})

test('an observer that requires a leader is refused without one', () => {
  const it = setUp()
  it.member.setLeader(noMember)
  assert.throws(() => it.observe('e', new FakeStream({ hasleader: 'true' })), { reason: 'noLeader' })
})

test('observers leave nothing behind', async () => {
  const it = setUp()
  const before = it.member.listeners
  for (let round = 0; round < 100; round++) {
    const stream = new FakeStream()
    it.observe('e', stream)
    if (round % 2 === 0) await settle()
    stream.close()
  }
  await settle()
  assert.ok(it.member.listeners <= before + 1)
})
