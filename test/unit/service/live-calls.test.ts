/** Calls that last end when their callers may no longer, and leave nothing of their waiting behind. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memberCaller } from '../../../src/auth/caller.ts'
import type { RuleChange } from '../../../src/auth/change.ts'
import { reading } from '../../../src/auth/operation.ts'
import { silentLog } from '../../../src/base/log.ts'
import { EtcdError } from '../../../src/errors.ts'
import type { Call } from '../../../src/service/call.ts'
import { campaign } from '../../../src/service/election.ts'
import { observe } from '../../../src/service/election-observer.ts'
import { leaseGrant } from '../../../src/service/lease.ts'
import { leaseKeepAlive } from '../../../src/service/lease-keep-alive.ts'
import { liveCallsOf } from '../../../src/service/live-calls.ts'
import { lock } from '../../../src/service/lock.ts'
import { LongReads } from '../../../src/service/long-reads.ts'
import { TurnQueue } from '../../../src/service/turn-queue.ts'
import { createWatchService } from '../../../src/service/watch.ts'
import { CampaignRequest, LeaderRequest } from '../../../src/wire/gen/election.ts'
import { LockRequest } from '../../../src/wire/gen/lock.ts'
import {
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  LeaseRevokeRequest,
} from '../../../src/wire/gen/rpc.ts'
import { AuthMember } from '../../support/auth-member.ts'
import { addUser, disable, enable, encodeChange, userWith, withRoot } from '../../support/auth-tables.ts'
import { bytes } from '../../support/commands.ts'
import { fakeCall, noCredentials } from '../../support/fake-call.ts'
import { FakeStream } from '../../support/fake-stream.ts'
import { waitFor } from '../../support/wait-for.ts'
import { within } from '../../support/within.ts'

const as = (certificateName: string): Call => fakeCall({ ...noCredentials, certificateName })

async function setUp() {
  const member = new AuthMember()
  await member.change(...withRoot, ...userWith('ann', 'readwrite q/,q0'), ...userWith('bob', 'readwrite q/,q0'), enable)
  const watch = createWatchService(member, { log: silentLog })
  const queue = new TurnQueue(watch)
  const grant = async (call: Call): Promise<bigint> =>
    LeaseGrantResponse.decode(await leaseGrant(member, LeaseGrantRequest.encode({ TTL: 60n, ID: 0n }).finish(), call))
      .ID
  const rows = (table: 'current' | 'leases'): number =>
    [...member.view.scan(table, { start: bytes(''), end: null })].length
  return {
    member,
    watch,
    grant,
    keys: () => rows('current'),
    leases: () => rows('leases'),
    lock: (call: Call, lease = 0n) =>
      lock(queue, member, LockRequest.encode({ name: bytes('q/l'), lease }).finish(), call),
    campaign: (call: Call, lease = 0n) =>
      campaign(queue, member, CampaignRequest.encode({ name: bytes('q/l'), lease, value: bytes('v') }).finish(), call),
    observe(call: Call): FakeStream {
      const stream = new FakeStream()
      observe(watch, member, LeaderRequest.encode({ name: bytes('q/l') }).finish(), stream, call)
      return stream
    },
    keepAlive(call: Call, ...ids: readonly bigint[]): FakeStream {
      const stream = new FakeStream()
      leaseKeepAlive(member, stream, (error) => stream.fail(error), call)
      for (const ID of ids) stream.send(LeaseKeepAliveRequest.encode({ ID }).finish())
      return stream
    },
  }
}

const refusal = (work: Promise<unknown>): Promise<string> =>
  within(
    'the call ends',
    work.then(
      () => 'done',
      (error: unknown) => (error instanceof EtcdError ? error.reason : String(error)),
    ),
  )

const reasonOf = ({ ended }: FakeStream): string =>
  ended?.error instanceof EtcdError ? ended.error.reason : String(ended?.error)

/** Ways to lose a right, and what is said to whoever had it by a certificate, and by a token. */
const losses: readonly { what: string; changes: readonly RuleChange[]; byName: string; byToken: string }[] = [
  {
    what: 'the permission is revoked',
    changes: [
      {
        $case: 'revoke_permission',
        value: { role: 'ann', permission: { permType: 0, key: bytes('q/'), range_end: bytes('q0') } },
      },
    ],
    byName: 'permissionDenied',
    byToken: 'permissionDenied',
  },
  {
    what: 'the role is taken from the user',
    changes: [{ $case: 'revoke_role', value: { user: 'ann', role: 'ann' } }],
    byName: 'permissionDenied',
    byToken: 'permissionDenied',
  },
  {
    what: 'the role is deleted',
    changes: [{ $case: 'delete_role', value: { name: 'ann' } }],
    byName: 'permissionDenied',
    byToken: 'permissionDenied',
  },
  {
    what: 'the user is deleted',
    changes: [{ $case: 'delete_user', value: { name: 'ann' } }],
    byName: 'permissionDenied',
    byToken: 'invalidAuthToken',
  },
  {
    what: 'the user is deleted and comes anew with the same rights',
    changes: [
      { $case: 'delete_user', value: { name: 'ann' } },
      addUser('ann'),
      { $case: 'grant_role', value: { user: 'ann', role: 'ann' } },
    ],
    byName: 'permissionDenied',
    byToken: 'invalidAuthToken',
  },
]

for (const { what, changes, byName, byToken } of losses)
  for (const by of ['certificate', 'token'] as const)
    test(`who waits, observes or keeps a lease by a ${by} is sent away when ${what}`, async () => {
      const { member, grant, keys, leases, ...calls } = await setUp()
      const ann = by === 'certificate' ? as('ann') : fakeCall({ ...noCredentials, token: await member.token('ann') })
      const want = by === 'certificate' ? byName : byToken
      const bobs = await grant(as('bob'))
      await calls.lock(as('bob'), bobs)
      const own = await grant(ann)
      const waiting = [
        calls.lock(ann),
        calls.lock(ann, await grant(ann)),
        calls.campaign(ann),
        calls.campaign(ann, own),
      ].map(refusal)
      const bobWaits = refusal(calls.lock(as('bob')))
      await waitFor('all wait', () => keys() === 6)
      const observed = calls.observe(ann)
      const kept = calls.keepAlive(ann, own, 12_345n)
      await waitFor('both are served', () => observed.written.length === 1 && kept.written.length === 2)

      // What concerns somebody else ends nothing.
      await member.change(addUser('eve'), { $case: 'add_role', value: { name: 'r' } })
      assert.equal(liveCallsOf(member).size, 7)

      await member.change(...changes)
      assert.deepEqual(await Promise.all(waiting), Array(4).fill(want))
      await waitFor('the streams end', () => observed.ended !== undefined && kept.ended !== undefined)
      assert.equal(reasonOf(observed), want)
      assert.equal(reasonOf(kept), want)
      await waitFor('the keys of those who waited are gone', () => keys() === 2)
      // Bob's two, and the two that Ann has for other ends too.
      await waitFor('the leases made for them are gone', () => leases() === 4)
      assert.equal(await Promise.race([bobWaits, 'waits']), 'waits')
      assert.equal(liveCallsOf(member).size, 1)
    })

test('a login token that merely expires ends nothing that was begun with it', async () => {
  const { member, grant, keys, ...calls } = await setUp()
  const short = fakeCall({ ...noCredentials, token: await member.token('ann', 300) })
  const bobs = await grant(as('bob'))
  await calls.lock(as('bob'), bobs)
  const lease = await grant(short)
  const turn = calls.lock(short, lease)
  await waitFor('it waits', () => keys() === 2)
  const kept = calls.keepAlive(short, lease)
  await waitFor('the lease is kept', () => kept.written.length === 1)
  await member.change({ $case: 'add_role', value: { name: 'first' } })
  // Whatever renewed it: rows that are over are swept when somebody logs in.
  const renewal = { hash: new Uint8Array(32), now_ms: BigInt(Date.now() + 1_000_000), ttl_ms: 0n }
  await member.propose('auth', encodeChange({ $case: 'renew_token', value: renewal }), memberCaller)
  await member.change({ $case: 'add_role', value: { name: 'second' } })
  kept.send(LeaseKeepAliveRequest.encode({ ID: lease }).finish())
  await waitFor('the lease is kept on', () => kept.written.length === 2)
  await member.propose('leaseRevoke', LeaseRevokeRequest.encode({ ID: bobs }).finish(), memberCaller)
  await within('the turn comes', turn)
})

test('a read of many turns ends in the one in which its caller loses the right to it', async () => {
  const { member } = await setUp()
  const range = { start: bytes('q/'), end: bytes('q0'), isPoint: false }
  const readOf = (name: string): Promise<string> => {
    let nowMs = 0
    const reads = new LongReads(member, { nowMs: () => nowMs, nextTurn: () => {} })
    const endless = function* (): Generator<number, never> {
      for (;;) {
        nowMs++
        yield 1
      }
    }
    return refusal(Promise.resolve(reads.read(as(name), endless, () => reading(range))))
  }
  const [anns, bobs] = [readOf('ann'), readOf('bob')]
  assert.equal(liveCallsOf(member).size, 2)
  await member.change({ $case: 'revoke_role', value: { user: 'ann', role: 'ann' } })
  assert.equal(await anns, 'permissionDenied')
  assert.equal(liveCallsOf(member).size, 1)
  assert.equal(await Promise.race([bobs, 'goes on']), 'goes on')
})

test('when auth is switched on, nobody who is not known goes on', async () => {
  const { member, grant, keys, ...calls } = await setUp()
  await member.change(disable)
  const anyone = fakeCall()
  await calls.lock(anyone)
  const waiting = refusal(calls.lock(anyone))
  const known = refusal(calls.lock(as('ann')))
  await waitFor('both wait', () => keys() === 3)
  const kept = calls.keepAlive(anyone, await grant(anyone))
  await waitFor('the lease is kept', () => kept.written.length === 1)
  await member.change(enable)
  assert.equal(await waiting, 'userEmpty')
  await waitFor('the stream ends', () => kept.ended !== undefined)
  assert.equal(reasonOf(kept), 'userEmpty')
  assert.equal(await Promise.race([known, 'waits']), 'waits')
  await waitFor('its key is gone', () => keys() === 2)
})

test('calls that end leave nothing behind', async () => {
  const { member, grant, ...calls } = await setUp()
  const lease = await grant(as('ann'))
  await calls.lock(as('ann'), lease)
  const call = fakeCall({ ...noCredentials, certificateName: 'ann' })
  const waiting = refusal(calls.lock(call))
  const kept = calls.keepAlive(as('ann'), lease)
  await waitFor('the lease is kept', () => kept.written.length === 1)
  const listeners = member.listeners
  assert.equal(liveCallsOf(member).size, 2)
  call.end()
  await waiting
  kept.close()
  await waitFor('nothing is held', () => liveCallsOf(member).size === 0)
  assert.ok(member.listeners < listeners)
})
