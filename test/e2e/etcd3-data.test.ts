/** The npm package etcd3 against three members over mutual TLS: keys, transactions, namespaces and errors. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import {
  type Etcd3,
  EtcdLeaseInvalidError,
  GRPCInvalidArgumentError,
  GRPCNotFoundError,
  GRPCOutOfRangeError,
  GRPCResourceExhastedError,
  GRPCUnavailableError,
  STMConflictError,
} from 'etcd3'
import { TestCluster } from '../support/cluster.ts'
import { etcd3Client } from '../support/etcd3-client.ts'

/** For assert.rejects: its types know no class whose constructor takes something. */
const as =
  (...classes: readonly (abstract new (message: string) => Error)[]) =>
  (error: unknown): boolean =>
    classes.some((type) => error instanceof type)

/** etcd3's enum has no values at run time. */
const isolations = { serializableSnapshot: 0, serializable: 1, repeatableReads: 2, readCommitted: 3 } as const

describe('etcd3: data', () => {
  let cluster: TestCluster
  let client: Etcd3

  before(async () => {
    cluster = await TestCluster.start({ size: 3 })
    client = etcd3Client(cluster)
  })
  after(async () => {
    client?.close()
    await cluster?.[Symbol.asyncDispose]()
  })

  test('values come back as they went in, in each of its forms', async () => {
    await client.put('form/text').value('größer')
    await client.put('form/number').value(-12.5)
    await client.put('form/json').value(JSON.stringify({ a: [1, 'two'] }))
    const binary = Buffer.from([0, 1, 0xfe, 0xff, 10, 13])
    await client.put('form/binary').value(binary)
    await client.put('form/empty').value('')
    assert.equal(await client.get('form/text'), 'größer')
    assert.equal(await client.get('form/number').number(), -12.5)
    assert.deepEqual(await client.get('form/json').json(), { a: [1, 'two'] })
    assert.deepEqual(await client.get('form/binary').buffer(), binary)
    assert.equal(await client.get('form/empty').string(), '')
    assert.equal(await client.get('form/empty').exists(), true)
    assert.equal(await client.get('form/nosuch').string(), null)
    assert.equal(await client.get('form/nosuch').exists(), false)
  })

  test('a put answers with what was there, and can touch a key', async () => {
    await client.put('prev').value('one')
    const previous = await client.put('prev').value('two').getPrevious()
    assert.equal(previous.value.toString(), 'one')
    await client.put('prev').touch()
    const { kvs } = await client.get('prev').exec()
    assert.equal(kvs[0]!.value.toString(), 'two')
    assert.equal(kvs[0]!.version, '3')
  })

  test('getAll: prefixes, sorting, limits, counts, key lists, revisions', async () => {
    const ns = client.namespace('all/')
    for (const [key, value] of Object.entries({ b: '3', a: '1', c: '2' })) await ns.put(key).value(value)
    const all = ns.getAll().prefix('')
    assert.deepEqual(await all.strings(), { a: '1', b: '3', c: '2' })
    assert.deepEqual(await ns.getAll().numbers(), { a: 1, b: 3, c: 2 })
    assert.equal(await ns.getAll().count(), 3)
    assert.deepEqual(await ns.getAll().sort('Value', 'Descend').keys(), ['b', 'c', 'a'])
    assert.deepEqual(await ns.getAll().sort('Create', 'Ascend').limit(2).keys(), ['b', 'a'])
    assert.deepEqual(await ns.getAll().inRange({ start: 'b', end: 'd' }).keys(), ['b', 'c'])
    const { kvs, header } = await ns.getAll().sort('Mod', 'Ascend').limit(1).exec()
    await ns.put('a').value('changed')
    assert.equal(await ns.get('a').revision(header.revision).string(), '1')
    assert.deepEqual(await ns.getAll().maxCreateRevision(kvs[0]!.create_revision).keys(), ['b'])
    assert.deepEqual(
      await ns
        .getAll()
        .minModRevision(Number(header.revision) + 1)
        .keys(),
      ['a'],
    )
    assert.equal(await ns.get('a').serializable(true), 'changed')
  })

  test('deletes of one key, a prefix, a range and everything', async () => {
    const ns = client.namespace('del/')
    for (const key of ['a', 'b', 'c1', 'c2', 'd']) await ns.put(key).value(key)
    assert.equal((await ns.delete().key('nosuch').exec()).deleted, '0')
    assert.equal((await ns.delete().key('a').exec()).deleted, '1')
    const previous = await ns.delete().prefix('c').getPrevious()
    assert.deepEqual(
      previous.map((kv) => kv.value.toString()),
      ['c1', 'c2'],
    )
    assert.equal((await ns.delete().inRange({ start: 'b', end: 'c' }).exec()).deleted, '1')
    assert.equal((await ns.delete().all().exec()).deleted, '1')
    assert.notEqual(await client.getAll().count(), 0)
  })

  test('a namespace hides its prefix and nothing else', async () => {
    const outer = client.namespace('ns/')
    const inner = outer.namespace('inner/')
    await inner.put('key').value('x')
    assert.equal(await client.get('ns/inner/key'), 'x')
    assert.deepEqual(await outer.getAll().keys(), ['inner/key'])
    assert.deepEqual(await inner.getAll().keys(), ['key'])
    const watcher = await inner.watch().prefix('').create()
    const seen = new Promise((resolve) => watcher.once('put', (kv) => resolve(kv.key.toString())))
    await inner.put('watched').value('x')
    assert.equal(await seen, 'watched')
    await watcher.cancel()
  })

  test('transactions: all comparisons, both branches, results of each operation', async () => {
    await client.put('txn/a').value('5')
    const done = await client
      .if('txn/a', 'Value', '==', '5')
      .and('txn/a', 'Version', '>', 0)
      .and('txn/a', 'Mod', '!=', 0)
      .and('txn/nosuch', 'Create', '==', 0)
      .then(client.put('txn/b').value('6'), client.get('txn/a'), client.delete().key('txn/a'))
      .else(client.put('txn/c').value('7'))
      .commit()
    assert.equal(done.succeeded, true)
    assert.ok(done.responses[0]!.response_put)
    assert.equal(done.responses[1]!.response_range.kvs[0]!.value.toString(), '5')
    assert.equal(done.responses[2]!.response_delete_range.deleted, '1')
    const refused = await client
      .if('txn/b', 'Value', '<', '6')
      .then(client.delete().all())
      .else(client.get('txn/b'))
      .commit()
    assert.equal(refused.succeeded, false)
    assert.equal(refused.responses[0]!.response_range.kvs[0]!.value.toString(), '6')
    assert.deepEqual(await client.getAll().prefix('txn/').keys(), ['txn/b'])
  })

  for (const [name, isolation] of Object.entries(isolations))
    test(`software transactions, ${name}: concurrent counters lose nothing`, async () => {
      const key = `stm/${name}`
      await client.put(key).value(0)
      // At the weakest level it reads serializably and checks nothing: one writer, through one member.
      const weakest = isolation === isolations.readCommitted
      const writers = weakest ? 1 : 4
      const through = weakest ? etcd3Client(cluster, cluster.members.slice(0, 1)) : client
      const increment = () =>
        through.stm({ isolation, retries: 50 } as { retries: number }).transact(async (tx) => {
          const value = await tx.get(key).number()
          await tx.put(key).value(value! + 1)
          assert.equal(await tx.get(key).number(), value! + 1)
        })
      await Promise.all(
        Array.from({ length: writers }, async () => {
          for (let n = 0; n < 5; n++) await increment()
        }),
      )
      if (weakest) through.close()
      assert.equal(await client.get(key).number(), 5 * writers)
    })

  test('a software transaction whose reads change under it gives up after its retries', async () => {
    await client.put('stm/conflict').value(0)
    const conflict = client.stm({ retries: 0 }).transact(async (tx) => {
      await tx.get('stm/conflict')
      await client.put('stm/conflict').value('from outside')
      await tx.put('stm/conflict').value('from inside')
    })
    await assert.rejects(conflict, as(STMConflictError))
    assert.equal(await client.get('stm/conflict'), 'from outside')
  })

  test('errors arrive as the classes that it makes of codes and messages', async () => {
    await assert.rejects(client.put('leased').value('x').lease('1234').exec(), as(EtcdLeaseInvalidError))
    await assert.rejects(client.leaseClient.leaseRevoke({ ID: '1234' }), as(EtcdLeaseInvalidError))
    await assert.rejects(client.put('').value('x').exec(), as(GRPCInvalidArgumentError))
    await assert.rejects(client.get('x').revision(99_999_999).exec(), as(GRPCOutOfRangeError))
    const twice = client.if('x', 'Version', '==', 0).then(client.put('y').value('1'), client.put('y').value('2'))
    await assert.rejects(twice.commit(), as(GRPCInvalidArgumentError))
    const { header } = await client.put('compacted').value('1').exec()
    await client.put('compacted').value('2')
    const revision = Number(header.revision) + 1
    await client.kv.compact({ revision })
    await assert.rejects(client.get('compacted').revision(header.revision).exec(), as(GRPCOutOfRangeError))
    await assert.rejects(client.kv.compact({ revision }), as(GRPCOutOfRangeError))
    await assert.rejects(client.put('touch').touch(), as(GRPCInvalidArgumentError, GRPCNotFoundError))
    await assert.rejects(
      client.put('big').value('x'.repeat(1_700_000)).exec(),
      as(GRPCInvalidArgumentError, GRPCResourceExhastedError),
    )
  })

  test('a client without a certificate gets nowhere', async () => {
    const rootCertificate = readFileSync(cluster.certificates.client.caFile)
    const stranger = etcd3Client(cluster, cluster.members, { credentials: { rootCertificate } })
    await assert.rejects(stranger.get('x').exec(), as(GRPCUnavailableError))
    stranger.close()
  })

  test('members and status', async () => {
    const { members } = await client.cluster.memberList({})
    assert.deepEqual(members.map((member) => member.name).sort(), ['m1', 'm2', 'm3'])
    const status = await client.maintenance.status({})
    assert.match(status.version, /^3\.\d+\.\d+$/)
    assert.ok(members.some((member) => member.ID === status.leader))
  })
})
