/** The npm package etcd3 against three members over mutual TLS: watches, leases, locks, elections; members that die. */
import assert from 'node:assert/strict'
import { after, afterEach, before, beforeEach, describe, test } from 'node:test'
import { type Etcd3, EtcdLeaseInvalidError, EtcdLockFailedError, type IKeyValue, type Watcher } from 'etcd3'
import { TestCluster } from '../support/cluster.ts'
import { etcd3Client } from '../support/etcd3-client.ts'
import { waitFor } from '../support/wait-for.ts'
import { within } from '../support/within.ts'

const text = ({ key, value }: IKeyValue): string => `${key.toString()}=${value.toString()}`

/** What a watcher has told so far, one word for each event. */
function record(watcher: Watcher): string[] {
  const events: string[] = []
  watcher.on('put', (kv, previous) => {
    events.push(previous === undefined || previous === null ? text(kv) : `${text(previous)}>${kv.value.toString()}`)
  })
  watcher.on('delete', (kv) => events.push(`-${kv.key.toString()}`))
  return events
}

describe('etcd3: streams', () => {
  let cluster: TestCluster
  let client: Etcd3

  before(async () => {
    cluster = await TestCluster.start({ size: 3 })
  })
  after(() => cluster?.[Symbol.asyncDispose]())
  beforeEach(() => {
    client = etcd3Client(cluster)
  })
  afterEach(() => client.close())

  test('watches of keys, prefixes, past revisions, with filters and previous values', async () => {
    const { header } = await client.put('w/past').value('1').exec()
    const builders = {
      key: client.watch().key('w/a'),
      prefix: client.watch().prefix('w/'),
      onlyDeletes: client.watch().prefix('w/').only('delete'),
      previous: client.watch().prefix('w/').withPreviousKV(),
      past: client.watch().prefix('w/').startRevision(header.revision),
    }
    const watchers: Watcher[] = []
    const seen: Record<string, string[]> = {}
    for (const [name, builder] of Object.entries(builders)) {
      const watcher = await builder.create()
      watchers.push(watcher)
      seen[name] = record(watcher)
    }
    await client.put('w/a').value('1')
    await client.put('w/a').value('2')
    await client.put('w/b').value('3')
    await client.delete().prefix('w/')
    const deleted = ['-w/a', '-w/b', '-w/past']
    const wanted = {
      key: ['w/a=1', 'w/a=2', '-w/a'],
      prefix: ['w/a=1', 'w/a=2', 'w/b=3', ...deleted],
      onlyDeletes: deleted,
      previous: ['w/a=1', 'w/a=1>2', 'w/b=3', ...deleted],
      past: ['w/past=1', 'w/a=1', 'w/a=2', 'w/b=3', ...deleted],
    }
    for (const [name, events] of Object.entries(wanted))
      await waitFor(`the events of ${name}`, () => seen[name]!.length >= events.length)
    assert.deepEqual(seen, wanted)
    for (const watcher of watchers) await watcher.cancel()
    await client.put('w/a').value('after')
    const marker = await client.watch().key('w/marker').create()
    const markerSeen = record(marker)
    await client.put('w/marker').value('x')
    await waitFor('the marker', () => markerSeen.length === 1)
    assert.deepEqual(seen, wanted)
    await marker.cancel()
  })

  test('a watch whose start was compacted ends with an error', async () => {
    const { header } = await client.put('compacted').value('1').exec()
    const last = await client.put('compacted').value('2').exec()
    await client.kv.compact({ revision: last.header.revision })
    const watcher = client.watch().key('compacted').startRevision(header.revision).watcher()
    const error = await within(
      'the watch is refused',
      new Promise<Error>((resolve) => watcher.once('error', (cause: Error) => resolve(cause))),
    )
    assert.match(error.message, /canceled/)
  })

  test('a lease is kept alive until it is released, then expires with its keys', async () => {
    const lease = client.lease(2)
    await lease.put('lease/kept').value('x')
    let renewals = 0
    lease.on('keepaliveSucceeded', () => renewals++)
    await waitFor('six renewals, more than its TTL', () => renewals >= 6)
    assert.equal(await client.get('lease/kept'), 'x')
    lease.release()
    await waitFor('the key is gone', async () => (await client.get('lease/kept')) === null)
  })

  test('a lease revoked by somebody else is reported as lost', async () => {
    const lease = client.lease(3)
    const id = await lease.grant()
    await lease.put('lease/revoked').value('x')
    const lost = new Promise<Error>((resolve) => lease.once('lost', resolve))
    await client.leaseClient.leaseRevoke({ ID: id })
    assert.ok((await within('the loss is reported', lost)) instanceof EtcdLeaseInvalidError)
    assert.equal(await client.get('lease/revoked'), null)
  })

  test('keepaliveOnce, time to live and attached keys', async () => {
    const lease = client.lease(60, { autoKeepAlive: false })
    const ID = await lease.grant()
    await lease.put('lease/b').value('x')
    await lease.put('lease/a').value('x')
    assert.equal((await lease.keepaliveOnce()).TTL, '60')
    const ttl = await client.leaseClient.leaseTimeToLive({ ID, keys: true })
    assert.equal(ttl.grantedTTL, '60')
    assert.ok(Number(ttl.TTL) > 50 && Number(ttl.TTL) <= 60)
    assert.deepEqual(ttl.keys.map(String).sort(), ['lease/a', 'lease/b'])
    await lease.revoke()
    assert.equal((await client.leaseClient.leaseTimeToLive({ ID, keys: true })).TTL, '-1')
    await assert.rejects(lease.keepaliveOnce(), EtcdLeaseInvalidError)
  })

  test('a lock excludes others until it is released', async () => {
    const other = etcd3Client(cluster)
    try {
      const held = await client.lock('mutex').ttl(5).acquire()
      await assert.rejects(other.lock('mutex').ttl(5).acquire(), EtcdLockFailedError)
      await held.release()
      const result = await other
        .lock('mutex')
        .ttl(5)
        .do(async () => {
          await assert.rejects(client.lock('mutex').ttl(5).acquire(), EtcdLockFailedError)
          return 'done'
        })
      assert.equal(result, 'done')
      await (await client.lock('mutex').acquire()).release()
    } finally {
      other.close()
    }
  })

  test('an election passes on when its leader resigns, and observers follow', async () => {
    const election = client.election('chair', 5)
    const observer = await election.observe()
    const changes: (string | undefined)[] = []
    observer.on('change', (value) => changes.push(value))
    const ann = election.campaign('ann')
    await within('ann is elected', ann.wait())
    await waitFor('ann is observed', () => observer.leader() === 'ann')
    const bob = election.campaign('bob')
    const bobElected = bob.wait()
    await waitFor('bob is a candidate', async () => (await client.getAll().prefix('election/chair/').count()) === 2)
    await ann.proclaim('anna')
    await waitFor('anna is observed', () => observer.leader() === 'anna')
    assert.equal(await election.leader(), 'anna')
    await ann.resign()
    await within('bob is elected', bobElected)
    await waitFor('bob is observed', () => observer.leader() === 'bob')
    await bob.resign()
    await observer.cancel()
    assert.deepEqual(
      changes.filter((value) => value !== undefined),
      ['ann', 'anna', 'bob'],
    )
  })

  test('watches, leases and writes go on when the member that served them is killed', async () => {
    const events: string[] = []
    const watcher = await client.watch().prefix('failover/').create()
    watcher.on('put', (kv) => events.push(text(kv)))
    const lease = client.lease(10)
    await lease.put('failover-lease').value('alive')
    let written = 0
    const write = () =>
      waitFor(`write ${written}`, async () => {
        await client.put(`failover/${written}`).value(written)
        return true
      }).then(() => written++)
    await write()
    for (const member of cluster.members) {
      await member.kill()
      for (let n = 0; n < 5; n++) await write()
      member.start()
      await cluster.waitUntilServing()
    }
    await waitFor('all events', () => new Set(events).size === written)
    const order = [...new Set(events)]
    assert.deepEqual(
      order,
      Array.from({ length: written }, (_, n) => `failover/${n}=${n}`),
    )
    assert.equal(await client.get('failover-lease'), 'alive')
    assert.equal(lease.revoked(), false)
    await lease.revoke()
    await watcher.cancel()
  })
})
