import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { AccessRules } from '../../../src/auth/access-rules.ts'
import { authorize } from '../../../src/auth/authorize.ts'
import type { RuleChange } from '../../../src/auth/change.ts'
import { reading } from '../../../src/auth/operation.ts'
import { pointRange } from '../../../src/base/key-range.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { Call } from '../../../src/service/call.ts'
import { createWatchService } from '../../../src/service/watch.ts'
import { PutRequest, WatchResponse } from '../../../src/wire/gen/rpc.ts'
import { AuthMember } from '../../support/auth-member.ts'
import {
  addUser,
  disable,
  enable,
  grant,
  grantRole,
  memberCaller,
  revoke,
  revokeRole,
  userCaller,
  userWith,
  withRoot,
} from '../../support/auth-tables.ts'
import { bytes, putRequest } from '../../support/commands.ts'
import { fakeCall, noCredentials } from '../../support/fake-call.ts'
import { LateMember } from '../../support/late-member.ts'
import { FakeStream, ManualTimers } from './watch-harness.ts'

const users = [...withRoot, ...userWith('ann', 'read a,c'), ...userWith('bob', 'read a,b', 'read b,c'), enable]
const by = (certificateName: string): Call => fakeCall({ ...noCredentials, certificateName })
const denied = '"rpc error: code = PermissionDenied desc = etcdserver: permission denied"'
const void_ = '"rpc error: code = Unauthenticated desc = etcdserver: invalid auth token"'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

async function harness(changes: readonly RuleChange[] = users, member = new AuthMember()) {
  await member.change(...changes)
  const timers = new ManualTimers()
  const bounds = { queueBytesMax: 200 }
  const service = createWatchService(member, { log: silentLog, timers, bounds })
  const open = (call: Call): FakeStream => {
    const stream = new FakeStream()
    service.serve(stream, call)
    return stream
  }
  const put = async (key: string, value = ''): Promise<void> => {
    const request = PutRequest.encode(putRequest({ key: bytes(key), value: bytes(value) })).finish()
    await member.propose('put', request, memberCaller)
  }
  return { member, timers, service, open, put }
}

test('whoever may read a range may watch it, and nobody else', async () => {
  const { open } = await harness()
  for (const [name, key, range_end, want] of [
    ['ann', 'a', '', ''],
    ['ann', 'a', 'c', ''],
    ['bob', 'a', 'c', ''],
    ['ann', 'a', 'd', denied],
    // One NUL is "from the key on", never the key alone.
    ['ann', 'a', '\0', denied],
    ['ann', '', '\0', denied],
    ['ann', 'c', 'a', denied],
    ['root', 'c', 'a', '"mvcc: watcher range is empty"'],
    ['nobody', 'a', '', denied],
    ['', 'a', '', '"rpc error: code = InvalidArgument desc = etcdserver: user name is empty"'],
  ] as const) {
    const stream = open(by(name))
    stream.create(key, { range_end })
    await turn()
    assert.deepEqual(
      stream.lines(),
      [want === '' ? '#0 @1 created' : `#-1 @1 created canceled ${want}`],
      `${name}: ${key} to ${range_end}`,
    )
  }
})

test('a right that was given at another member is found out about; what is asked meanwhile waits its turn', async () => {
  const member = new LateMember()
  const { open } = await harness(users, member)
  member.fallBehind()
  await member.change(grant('ann', 'read', 'k'))
  const ann = open(by('ann'))
  ann.create('k')
  ann.create('a')
  ann.create('z')
  ann.create('b')
  assert.ok(ann.paused)
  await turn()
  assert.deepEqual(ann.lines(), [
    '#0 @1 created',
    '#1 @1 created',
    `#-1 @1 created canceled ${denied}`,
    '#2 @1 created',
  ])
  assert.equal(ann.paused, false)
})

test('a member that cannot catch up goes by what it knows', async () => {
  const { member, open } = await harness()
  member.barrierError = new Error('nobody answers')
  const ann = open(by('ann'))
  ann.create('k')
  await turn()
  assert.deepEqual(ann.lines(), [`#-1 @1 created canceled ${denied}`])
})

test('what is written after a revocation is not delivered, though both come in one turn', async () => {
  const { member, timers, open, put } = await harness()
  const ann = open(by('ann'))
  const bob = open(by('bob'))
  for (const stream of [ann, bob]) stream.create('a', { range_end: 'c' })
  await put('a', '1')
  timers.settle()
  assert.deepEqual(ann.lines(), ['#0 @1 created', '#0 @2 put a=1 mod=2'])
  await member.change(revoke('ann', 'a,c'))
  await put('a', '2')
  timers.settle()
  assert.deepEqual(ann.lines(), [`#0 @2 canceled ${denied}`])
  assert.deepEqual(bob.lines(), ['#0 @1 created', '#0 @2 put a=1 mod=2', '#0 @3 put a=2 mod=3'])
})

test('a revocation ends a watch at once, without anything being written', async () => {
  const { member, timers, open } = await harness()
  const ann = open(by('ann'))
  ann.create('a')
  ann.create('b')
  timers.settle()
  ann.lines()
  await member.change(grant('ann', 'read', 'b'), revoke('ann', 'a,c'))
  timers.settle()
  assert.deepEqual(ann.lines(), [`#0 @1 canceled ${denied}`], 'the other one is still allowed')
  await member.change({ $case: 'delete_user', value: { name: 'ann' } })
  timers.settle()
  assert.deepEqual(ann.lines(), [`#1 @1 canceled ${denied}`])
  assert.equal(ann.ended, null)
})

test('watches that are behind, and those whose client does not read, end as well', async () => {
  const { member, timers, open, put } = await harness()
  for (let n = 0; n < 20; n++) await put('a', 'x'.repeat(100))
  const behind = open(by('ann'))
  behind.create('a', { start_revision: 1n })
  const slow = open(by('ann'))
  slow.create('a')
  slow.room = 1
  await put('a', 'y')
  await put('a', 'y'.repeat(300))
  await member.change(revokeRole('ann', 'ann'))
  await put('a', 'secret')
  timers.settle()
  slow.drain(null)
  timers.settle()
  for (const stream of [behind, slow]) {
    const text = stream.lines().join('\n')
    assert.ok(text.includes('canceled'), text)
    assert.ok(!text.includes('secret'), text)
  }
})

test('a token that becomes void ends what was begun with it; one that only expires does not', async () => {
  const { member, timers, open, put } = await harness()
  const token = await member.token('ann')
  const soon = await member.token('ann', 1000)
  const first = open(fakeCall({ ...noCredentials, token }))
  const second = open(fakeCall({ ...noCredentials, token: soon }))
  for (const stream of [first, second]) stream.create('a')
  await member.change(addUser('eve'))
  await put('a', '1')
  timers.settle()
  for (const stream of [first, second]) assert.deepEqual(stream.lines(), ['#0 @1 created', '#0 @2 put a=1 mod=2'])
  await member.change({ $case: 'change_password', value: { name: 'ann', password_hash: 'other', now_ms: 1n } })
  await put('a', '2')
  timers.settle()
  for (const stream of [first, second]) assert.deepEqual(stream.lines(), [`#0 @2 canceled ${void_}`])
})

test('a watch that is refused because the token has expired ends none that began before', async ({ mock }) => {
  const now = Date.now()
  const clock = mock.method(Date, 'now', () => now)
  const { member, timers, open, put } = await harness()
  const token = await member.token('ann')
  const ann = open(fakeCall({ ...noCredentials, token }))
  ann.create('a')
  clock.mock.mockImplementation(() => now + 1_000_000)
  ann.create('b')
  await turn()
  assert.deepEqual(ann.lines(), ['#0 @1 created', `#-1 @1 created canceled ${void_}`])
  await member.change(addUser('eve'))
  await put('a', '1')
  timers.settle()
  assert.deepEqual(ann.lines(), ['#0 @2 put a=1 mod=2'], 'a change that concerns another user')
  await member.change({ $case: 'change_password', value: { name: 'ann', password_hash: 'other', now_ms: 1n } })
  timers.settle()
  assert.deepEqual(ann.lines(), [`#0 @2 canceled ${void_}`])
})

test('what changes for others costs the same however many watches a call has', async ({ mock }) => {
  const { member, timers, open, put } = await harness()
  const ann = open(by('ann'))
  for (let n = 0; n < 200; n++) ann.create(n % 2 === 0 ? 'a' : 'b')
  timers.settle()
  assert.equal(ann.lines().length, 200)
  const user = mock.method(AccessRules.prototype, 'user')
  for (const change of [addUser('eve'), grantRole('eve', 'bob'), grant('bob', 'write', 'z')])
    await member.change(change)
  timers.settle()
  assert.ok(user.mock.callCount() < 20, `${user.mock.callCount()} looks at users`)
  // More is judged as before, and what was begun by more ends with it.
  await member.change(grant('ann', 'read', 'z'))
  ann.create('z')
  await member.change(revoke('ann', 'z'))
  await put('z', 'secret')
  await put('a', '1')
  timers.settle()
  const lines = ann.lines()
  assert.deepEqual(lines.slice(0, 2), ['#200 @1 created', `#200 @1 canceled ${denied}`])
  assert.equal(lines.length, 102)
})

test('when auth is switched on, watches of nobody end, and those of users with the right go on', async () => {
  const { member, timers, open, put } = await harness([...users.slice(0, -1)])
  const nobody = open(by(''))
  const ann = open(by('ann'))
  for (const stream of [nobody, ann]) stream.create('a')
  await member.change(enable)
  await put('a', '1')
  timers.settle()
  assert.deepEqual(ann.lines(), ['#0 @1 created', '#0 @2 put a=1 mod=2'])
  assert.match(nobody.lines().join(), /canceled.*user name is empty/)
  await member.change(disable)
  nobody.create('z')
  await put('z', '1')
  timers.settle()
  assert.match(nobody.lines().join(), /put z=1/)
})

test('whatever is granted and revoked, nobody is sent what they may not read at that moment', async () => {
  const changes: fc.Arbitrary<RuleChange> = fc.oneof(
    fc.constantFrom('a', 'a,c', 'b', 'a,').map((keys) => grant('ann', 'read', keys)),
    fc.constantFrom('a', 'a,c', 'b', 'a,').map((keys) => revoke('ann', keys)),
    fc.constantFrom(grantRole('ann', 'ann'), revokeRole('ann', 'ann'), grantRole('ann', 'bob'), enable, disable),
  )
  const step = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom('a', 'b', 'c').map((key) => ({ kind: 'put' as const, key })) },
    { weight: 2, arbitrary: changes.map((change) => ({ kind: 'change' as const, change })) },
    {
      weight: 2,
      arbitrary: fc
        .tuple(fc.constantFrom(['a', ''], ['a', 'c'], ['b', ''], ['a', '\0']), fc.bigInt(0n, 3n))
        .map(([keys, start]) => ({ kind: 'watch' as const, key: keys[0]!, range_end: keys[1]!, start })),
    },
    { weight: 2, arbitrary: fc.constant({ kind: 'turn' as const }) },
    { weight: 1, arbitrary: fc.constantFrom(0, 2, null).map((room) => ({ kind: 'drain' as const, room })) },
  )
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: 'max' }), async (steps) => {
      const { member, timers, open, put } = await harness()
      const stream = open(by('ann'))
      // Judged when the watch service lets go of it: what the client takes late is older than it looks.
      const rules = new AccessRules()
      const write = stream.write.bind(stream)
      let isLate = false
      stream.write = (message) => {
        for (const { kv } of isLate ? [] : WatchResponse.decode(message).events) {
          const denial = authorize(
            rules.at(member.view),
            member.view,
            userCaller(member.view, 'ann'),
            reading(pointRange(kv!.key)),
          )
          assert.equal(denial, null, `${Buffer.from(kv!.key)} at ${kv!.mod_revision}`)
        }
        return write(message)
      }
      for (const each of steps) {
        if (each.kind === 'put') await put(each.key)
        else if (each.kind === 'change') await member.change(each.change).catch(() => {})
        else if (each.kind === 'watch') {
          stream.create(each.key, { range_end: each.range_end, start_revision: each.start })
        } else if (each.kind === 'turn') timers.turn()
        else {
          isLate = true
          stream.drain(each.room)
          isLate = false
        }
      }
      timers.settle()
    }),
    { numRuns: 300 },
  )
})
