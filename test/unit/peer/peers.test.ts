import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { clusterId, memberId } from '../../../src/base/ids.ts'
import { EtcdError } from '../../../src/errors.ts'
import { type Entry, type Message, MessageKind } from '../../../src/raft/types.ts'
import { closeAll, connectAll, type FakeReplica, fakeReplica, heartbeat, membersOf, until } from './fake-replica.ts'

describe('three members over plain TCP', () => {
  let replicas: FakeReplica[]
  before(async () => {
    replicas = [1n, 2n, 3n].map((id) => fakeReplica({ id }))
    await connectAll(replicas, 'http')
  })
  after(() => closeAll(replicas))

  test('messages arrive in order, at the member they are for', async () => {
    const [one, two, three] = replicas as [FakeReplica, FakeReplica, FakeReplica]
    for (let i = 1; i <= 1000; i++) one.transport.peers.send([heartbeat(one, two, i), heartbeat(one, three, 2 * i)])
    three.transport.peers.send([heartbeat(three, two, 7)])
    await until('all have arrived', () => two.received.length === 1001 && three.received.length === 1000)
    const fromOne = two.received.filter((message) => message.from === one.id).map((message) => message.commit)
    assert.deepEqual(
      fromOne,
      Array.from({ length: 1000 }, (_, i) => i + 1),
    )
    assert.equal(three.received.at(-1)!.commit, 2000)
    assert.equal(two.received.find((message) => message.from === three.id)!.commit, 7)
  })

  test('a batch of large entries spans many reads and arrives whole', async () => {
    const [one, two] = replicas as [FakeReplica, FakeReplica]
    two.received.length = 0
    const entries = Array.from(
      { length: 300 },
      (_, i): Entry => ({ term: 1, index: 11 + i, type: 'normal', data: Buffer.alloc(1 + 97 * i, i) }),
    )
    const message: Message = { kind: MessageKind.Append, from: one.id, to: two.id, term: 1, index: 10, entries }
    one.transport.peers.send([message, message])
    await until('both have arrived', () => two.received.length === 2)
    for (const received of two.received) assert.deepEqual(received.entries, entries)
  })

  test('a call is answered, also with an error of the table', async () => {
    const [one, two] = replicas as [FakeReplica, FakeReplica]
    two.answer = (from, method, request, done) => {
      if (method === 'leaseRenew') done(null, Buffer.concat([Buffer.from(`${from} `), request]))
      else done(new EtcdError('leaseNotFound'), null)
    }
    assert.equal(String((await call(one, two, 'leaseRenew', 'ask')).response), '1 ask')
    const refused = await call(one, two, 'leaseTimeToLive', '')
    assert.equal((refused.error as EtcdError).reason, 'leaseNotFound')
  })

  test('a fault of the answering side says no more than that it failed', async () => {
    const [one, two] = replicas as [FakeReplica, FakeReplica]
    two.answer = (_from, _method, _request, done) => done(new Error('inner detail'), null)
    const { error } = await call(one, two, 'leaseRenew', '')
    assert.equal((error as EtcdError).reason, 'timeout')
    assert.ok(two.warnings.some((line) => line.includes('inner detail')))
  })

  test('a call to nobody fails later, not within the call', async () => {
    const [one] = replicas as [FakeReplica]
    let returned = false
    const error = await new Promise<Error | null>((resolve) => {
      one.transport.peers.call(memberId(99n), 'leaseRenew', Buffer.alloc(0), (error) => {
        assert.ok(returned)
        resolve(error)
      })
      returned = true
    })
    assert.equal((error as EtcdError).reason, 'timeoutConnectionLost')
  })
})

describe('connections come and go', () => {
  const open: FakeReplica[] = []
  const make = (...args: Parameters<typeof fakeReplica>): FakeReplica => {
    const replica = fakeReplica(...args)
    open.push(replica)
    return replica
  }
  after(() => closeAll(open))

  test('a member that went away is reported, and found again when it is back', async () => {
    const one = make({ id: 1n })
    const two = make({ id: 2n })
    await connectAll([one, two], 'http')
    const port = two.port()
    const members = membersOf([one, two], 'http')
    let lost: Error | null = null
    two.answer = () => {}
    one.transport.peers.call(two.id, 'leaseRenew', Buffer.alloc(0), (error) => {
      lost = error
    })
    one.transport.peers.send([heartbeat(one, two, 1)])
    await until('the message is there', () => two.received.length === 1)
    await two.transport.close()
    await until('it is reported', () => one.unreachable.includes(two.id))
    assert.equal(one.transport.connectedMs(two.id), null)
    const ended = 'connection from member ended'
    await until('its end is logged', () => one.infos.some((line) => line.startsWith(ended)))
    assert.match(one.infos.find((line) => line.startsWith(ended))!, /"remote":"127\.0\.0\.1:\d{2,5}"/)
    await until('the call has failed', () => lost !== null)
    assert.equal((lost! as EtcdError).reason, 'timeoutConnectionLost')

    const before = one.unreachable.length
    one.transport.peers.send([heartbeat(one, two, 2)])
    assert.equal(one.unreachable.length, before, 'nothing is called back from within send')
    await until('the drop is reported', () => one.unreachable.length > before)

    const again = make({ id: 2n, port, members })
    await again.transport.start()
    await until('both are connected', () => one.transport.connectedMs(two.id) !== null)
    one.transport.peers.send([heartbeat(one, again, 3)])
    await until('the message is there', () => again.received.length === 1)
    assert.equal(again.received[0]!.commit, 3)
  })

  test('messages sent while the first dial is under way are delivered', async () => {
    const two = make({ id: 12n })
    await two.transport.start()
    const one = make({ id: 11n, members: membersOf([two], 'http') })
    await one.transport.start()
    two.transport.setMembers(membersOf([one], 'http'))
    one.transport.peers.send([heartbeat(one, two, 5)])
    await until('the message is there', () => two.received.length === 1)
  })

  for (const { name, reason, self, other } of [
    { name: 'another cluster', reason: 'wrong cluster id', self: {}, other: { cluster: clusterId(0xdeadn) } },
    {
      name: 'a member at the wrong address',
      reason: 'not the member you are looking for',
      self: {},
      other: { id: 77n },
    },
  ]) {
    test(`${name} is refused, and that is logged once by each side`, async () => {
      const one = make({ id: 21n, ...self })
      const two = make({ id: 22n, ...other })
      await one.transport.start()
      await two.transport.start()
      one.transport.setMembers(new Map([[memberId(22n), { peerUrls: [`http://127.0.0.1:${two.port()}`] }]]))
      two.transport.setMembers(new Map([[one.id, { peerUrls: ['http://127.0.0.1:1'] }]]))
      await until('several attempts were made', () => one.unreachable.length > 4)
      assert.equal(one.warnings.filter((line) => line.includes(`refused: ${reason}`)).length, 1)
      assert.equal(two.warnings.filter((line) => line.includes(reason)).length, 1)
      assert.equal(one.transport.connectedMs(memberId(22n)), null)
    })
  }

  test('a removed member is cut off and refused, and welcome again when it is added', async () => {
    const one = make({ id: 31n })
    const two = make({ id: 32n })
    await connectAll([one, two], 'http')
    const both = membersOf([one, two], 'http')
    one.transport.setMembers(membersOf([one], 'http'))
    await until('the removed one has noticed', () => two.warnings.some((line) => line.includes('not a member')))
    assert.equal(one.transport.connectedMs(two.id), null)
    one.transport.peers.send([heartbeat(one, two, 1)])
    one.transport.setMembers(both)
    await until(
      'they are connected',
      () => one.transport.connectedMs(two.id) !== null && two.transport.connectedMs(one.id) !== null,
    )
    two.transport.peers.send([heartbeat(two, one, 9)])
    await until('the message is there', () => one.received.length === 1)
    assert.equal(two.received.length, 0)
  })

  test('a member that was away hears of a new one from one that it knows', async () => {
    const one = make({ id: 61n })
    const two = make({ id: 62n })
    const three = make({ id: 63n })
    for (const each of [one, two, three]) await each.transport.start()
    const all = membersOf([one, two, three], 'http')
    one.transport.setMembers(all)
    two.transport.setMembers(membersOf([one, two], 'http'))
    three.transport.setMembers(all)
    await until('the new one is listened to, and answered', () => {
      three.transport.peers.send([heartbeat(three, two, 4)])
      two.transport.peers.send([heartbeat(two, three, 5)])
      return two.received.length > 0 && three.received.length > 0
    })

    // It was removed and we know it: what a member that lags behind says does not count.
    two.transport.setMembers(all)
    two.transport.setMembers(membersOf([one, two], 'http'))
    await until('it is refused', () => three.warnings.some((line) => line.includes('not a member')))
    one.transport.setMembers(membersOf([one, two], 'http'))
    one.transport.setMembers(all)
    const { error } = await call(two, one, 'leaseRenew', 'the answer comes behind the lists')
    assert.equal(error, null)
    assert.equal(two.transport.connectedMs(three.id), null)
    two.received.length = 0
    three.transport.peers.send([heartbeat(three, two, 6)])
    one.transport.peers.send([heartbeat(one, two, 7)])
    await until('the message of the known one is there', () => two.received.length > 0)
    assert.ok(two.received.every((message) => message.from === one.id))
  })

  test('a member that moves is followed', async () => {
    const one = make({ id: 41n })
    const two = make({ id: 42n })
    await connectAll([one, two], 'http')
    const moved = make({ id: 42n, members: membersOf([one], 'http') })
    await moved.transport.start()
    one.transport.setMembers(membersOf([one, moved], 'http'))
    await until('it is connected', () => one.transport.connectedMs(two.id) !== null)
    one.transport.peers.send([heartbeat(one, moved, 4)])
    await until('the message is there', () => moved.received.length === 1)
    assert.equal(two.received.length, 0)
  })

  test('a call that nobody answers times out', async () => {
    const one = make({ id: 51n, timeouts: { callMsMax: 30 } })
    const two = make({ id: 52n })
    two.answer = () => {}
    await connectAll([one, two], 'http')
    assert.equal(((await call(one, two, 'leaseRenew', '')).error as EtcdError).reason, 'timeout')
  })
})

function call(from: FakeReplica, to: FakeReplica, method: 'leaseRenew' | 'leaseTimeToLive', request: string) {
  return new Promise<{ error: Error | null; response: Uint8Array | null }>((resolve) => {
    from.transport.peers.call(to.id, method, Buffer.from(request), (error, response) => resolve({ error, response }))
  })
}
