import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { Code } from '../../src/errors.ts'
import type { KeyValue } from '../../src/wire/gen/kv.ts'
import { TestCluster } from '../support/cluster.ts'
import { isDelete, KubernetesStorage, type KubernetesWatches } from '../support/kubernetes-storage.ts'
import type { TestMember } from '../support/member.ts'
import { waitFor } from '../support/wait-for.ts'
import { within } from '../support/within.ts'

/** One for each kind of object. */
const connectionsPerEndpoint = 70
const text = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString()
const keyOf = (kv: KeyValue | undefined): string => text(kv?.key)

/** What kube-apiserver asks of its store, in its shapes, with its expectations. */
describe('a Kubernetes API server', { timeout: 180_000 }, () => {
  let cluster: TestCluster
  /** By endpoint, then by kind of object. */
  let storages: KubernetesStorage[][]
  let any: KubernetesStorage

  const connect = (member: TestMember): KubernetesStorage =>
    new KubernetesStorage(member.clientUrl, cluster.certificates.client)

  before(async () => {
    cluster = await TestCluster.start({ size: 3 })
    storages = cluster.members.map((member) => Array.from({ length: connectionsPerEndpoint }, () => connect(member)))
    any = storages[0]![0]!
  })
  after(async () => {
    for (const storage of storages.flat()) storage[Symbol.dispose]()
    await cluster[Symbol.asyncDispose]()
  })

  test('connects 70 times to each endpoint at once and takes each for one that answers progress requests', async () => {
    const statuses = await within(
      'all connections answer',
      Promise.all(storages.flat().map((storage) => storage.status())),
    )
    assert.equal(statuses.length, 3 * connectionsPerEndpoint)
    for (const { version, dbSize } of statuses) {
      const [, minor, patch] = /^3\.(\d+)\.(\d+)$/.exec(version)!.map(Number)
      assert.ok(minor === 6 || (minor === 5 && patch! >= 13), version)
      assert.ok(dbSize > 0n)
    }
    const health = await Promise.all(storages.map((endpoint) => endpoint[1]!.get('/registry/health', 0)))
    for (const { kvs, count } of health) assert.deepEqual([kvs.length, count], [0, 0n])
  })

  test('creates, updates and deletes objects at the revisions that it knows', async () => {
    const key = '/registry/pods/default/crud'
    const created = await any.create(key, 'v1')
    assert.ok(created.succeeded)
    const [read] = (await storages[1]![0]!.get(key)).kvs
    assert.equal(read?.mod_revision, created.revision, 'the header has the version of the object')
    const exists = await any.create(key, 'v2')
    assert.deepEqual([exists.succeeded, exists.found], [false, undefined])
    assert.ok(exists.revision >= created.revision, 'a failed transaction has a revision too')
    const updated = await storages[2]![0]!.update(key, created.revision, 'v2')
    assert.ok(updated.succeeded && updated.revision > created.revision)
    const stale = await any.update(key, created.revision, 'v3')
    assert.deepEqual(
      [stale.succeeded, text(stale.found?.value), stale.found?.mod_revision],
      [false, 'v2', updated.revision],
    )
    const late = await any.delete(key, created.revision)
    assert.deepEqual([late.succeeded, keyOf(late.found)], [false, key])
    assert.ok((await any.delete(key, updated.revision)).succeeded)
    const gone = await any.update(key, updated.revision, 'v4')
    assert.deepEqual([gone.succeeded, gone.found], [false, undefined])
    const upserted = await any.update(key, 0n, 'v5')
    assert.ok(upserted.succeeded)
    await any.delete(key, upserted.revision)
  })

  test('refuses what is too large in words for the user', async () => {
    await assert.rejects(any.create('/registry/secrets/big', 'x'.repeat(1.6 * 1024 * 1024)), {
      code: Code.InvalidArgument,
      details: 'etcdserver: request is too large',
    })
  })

  test('lists in pages at one revision, with the count of all and byte order', async () => {
    const prefix = '/registry/configmaps/'
    const names = Array.from({ length: 500 }, (_, at) => `${prefix}ns${at % 7}/${String(at).padStart(4, '0')}`)
    const written = await Promise.all(
      names.map((key, at) => storages[at % 3]![at % connectionsPerEndpoint]!.create(key, 'x'.repeat(2000))),
    )
    assert.ok(written.every(({ succeeded }) => succeeded))
    const whole = await any.list(prefix)
    assert.deepEqual(whole.kvs.map(keyOf), [...names].sort())
    const revision = whole.header!.revision
    assert.ok(written.every((one) => one.revision <= revision))
    const first = await storages[1]![0]!.list(prefix, { limit: 200 })
    assert.deepEqual([first.kvs.length, first.more, first.count], [200, true, 500n])
    // What is written between two pages is not on the second.
    await any.create(`${prefix}zz/late`, 'v')
    await any.delete(names[0]!, written[0]!.revision)
    const seen = first.kvs.map(keyOf)
    for (let more = true; more; ) {
      const page = await storages[2]![0]!.list(prefix, { limit: 200, revision, after: seen.at(-1)! })
      assert.equal(page.count, BigInt(500 - seen.length), 'the count is that of the rest of the range')
      seen.push(...page.kvs.map(keyOf))
      more = page.more
    }
    assert.deepEqual(seen, [...names].sort())
    const counted = await any.list(prefix, { countOnly: true })
    assert.deepEqual([counted.count, counted.kvs.length], [500n, 0])
    const keys = await any.list(prefix, { keysOnly: true, limit: 10_000 })
    assert.deepEqual([keys.kvs.length, keys.more, keys.kvs[0]!.value.length], [500, false, 0])
    const past = await any.list(prefix, { revision })
    assert.deepEqual(past.kvs.map(keyOf), [...names].sort())
    await assert.rejects(any.list(prefix, { revision: revision + 1_000_000n }), {
      code: Code.OutOfRange,
      details: 'etcdserver: mvcc: required revision is a future revision',
    })
  })

  test('watches many ranges on one stream, with history and previous values', async () => {
    const base = (await any.get('/registry/health')).header!.revision
    const key = '/registry/leases/kube-system/a'
    const first = await any.create(key, '1')
    const second = await any.update(key, first.revision, '2')
    using watches = storages[1]![3]!.watches(true)
    for (const kind of ['leases', 'secrets', 'nodes']) watches.watch(`/registry/${kind}/`, base + 1n)
    await waitFor('three watches', () => watches.responses.filter(({ created }) => created).length === 3)
    const ids = watches.responses.filter(({ created }) => created).map(({ watch_id }) => watch_id)
    assert.equal(new Set(ids).size, 3)
    await any.delete(key, second.revision)
    await waitFor('three events', () => watches.events.length === 3)
    const [put, modify, remove] = watches.events
    assert.deepEqual([put!.prev_kv, text(put!.kv?.value)], [undefined, '1'])
    assert.deepEqual([text(modify!.prev_kv?.value), text(modify!.kv?.value)], ['1', '2'])
    assert.deepEqual([isDelete(remove!), text(remove!.prev_kv?.value)], [true, '2'])
    const revisions = watches.responses.map(({ header }) => header!.revision)
    assert.deepEqual(
      revisions,
      [...revisions].sort((a, b) => Number(a - b)),
      'revisions never go back',
    )
    watches.cancel(ids[0]!)
    const canceled = await waitFor('the cancellation is confirmed', () =>
      watches.responses.find((response) => response.canceled),
    )
    assert.deepEqual([canceled.watch_id, canceled.compact_revision], [ids[0], 0n])
    assert.equal(watches.ended, null)
  })

  test('is never told of progress before the events, on any member, while it writes', async () => {
    const prefixes = ['/registry/progress-a/', '/registry/progress-b/']
    const start = (await any.get('/registry/health')).header!.revision
    const streams = storages.map((endpoint) => endpoint[5]!.watches())
    try {
      for (const stream of streams) for (const prefix of prefixes) stream.watch(prefix, start + 1n)
      let writing = true
      const writes: { readonly key: string; readonly revision: bigint }[] = []
      const writer = async (number: number): Promise<void> => {
        for (let sequence = 0; writing; sequence++) {
          const key = `${prefixes[number % 2]}${number}-${sequence}`
          const { revision } = await storages[number % 3]![10 + number]!.create(key, 'x'.repeat(500))
          writes.push({ key, revision })
        }
      }
      const writers = Array.from({ length: 12 }, (_, number) => writer(number))
      for (let round = 0; round < 30; round++) {
        const asked = streams.map((stream) => stream.progress.length)
        for (const stream of streams) stream.requestProgress()
        // The API server's own pace.
        await sleep(100)
        for (const [at, stream] of streams.entries())
          await waitFor('progress is answered', () => stream.progress.length > asked[at]!, 5000)
      }
      writing = false
      await Promise.all(writers)
      // A consistent list: whatever was there when it began is told of, and so is the progress up to it.
      const now = (await any.get('/registry/health')).header!.revision
      for (const stream of streams)
        await waitFor('progress reaches the present', () => {
          stream.requestProgress()
          return stream.progress.at(-1)!.header!.revision >= now
        })
      assert.ok(writes.length > 300, `only ${writes.length} writes`)
      for (const stream of streams) assertNeverEarly(stream, writes)
    } finally {
      for (const stream of streams) stream[Symbol.dispose]()
    }
  })

  test('lets one of several servers compact, and learns what is gone', async () => {
    const before = (await any.get('/registry/health')).header!.revision
    const key = '/registry/pods/default/compacted'
    const created = await any.create(key, '1')
    const updated = await any.update(key, created.revision, '2')
    const [mine, theirs] = await Promise.all([
      storages[0]![0]!.turnToCompact(0n, before),
      storages[1]![0]!.turnToCompact(0n, before),
    ])
    assert.deepEqual([mine.succeeded, theirs.succeeded].sort(), [false, true])
    const loser = mine.succeeded ? theirs : mine
    assert.equal(loser.found?.version, 1n)
    await any.compact(updated.revision)
    const compacted = { code: Code.OutOfRange, details: 'etcdserver: mvcc: required revision has been compacted' }
    for (const endpoint of storages) {
      await assert.rejects(endpoint[0]!.list('/registry/pods/', { limit: 10, revision: created.revision }), compacted)
      assert.equal((await endpoint[0]!.list('/registry/pods/', { revision: updated.revision })).kvs.length, 1)
      using watches = endpoint[1]!.watches()
      watches.watch('/registry/pods/', created.revision)
      const canceled = await waitFor('the watch is canceled', () => watches.responses.find((one) => one.canceled))
      assert.ok(canceled.compact_revision >= updated.revision)
      // A watch of the compaction key goes on beside it.
      watches.watch('compact_rev_key', updated.revision + 1n, { prevKv: false, progressNotify: false, single: true })
      await waitFor('another watch', () => watches.responses.some((one) => one.created && one.watch_id === 1n))
    }
    await assert.rejects(any.compact(created.revision), compacted)
  })

  test('has events expire with their lease, and endpoints move to new ones', async () => {
    const start = (await any.get('/registry/health')).header!.revision
    const short = await any.grant(3)
    // A busy machine may take longer than that to write them all: it runs out from then on only.
    using renewing = storages[1]![9]!.keepAlive(short)
    const keys = Array.from({ length: 1000 }, (_, at) => `/registry/events/default/${String(at).padStart(4, '0')}`)
    await Promise.all(keys.map((key, at) => storages[at % 3]![at % connectionsPerEndpoint]!.create(key, 'e', short)))
    const moving = '/registry/masterleases/10.0.0.1'
    const master = await any.create(moving, '1', short)
    await any.update(moving, master.revision, '2', await any.grant(60))
    renewing[Symbol.dispose]()
    using watches = storages[2]![7]!.watches(true)
    watches.watch('/registry/', start + 1n)
    const deletes = (): KeyValue[] => watches.events.filter(isDelete).map(({ prev_kv }) => prev_kv!)
    await waitFor('all have expired', () => deletes().length >= keys.length, 30_000)
    assert.deepEqual(deletes().map(keyOf).sort(), keys)
    assert.ok(deletes().every(({ lease }) => lease === short))
    assert.equal((await any.get(moving)).kvs.length, 1)
    assert.equal((await any.list('/registry/events/', { countOnly: true })).count, 0n)
  })

  test('goes on after its leader is killed, and hears of it when there is none', async () => {
    const prefix = '/registry/failover/'
    const start = (await any.get('/registry/health')).header!.revision
    const leader = await cluster.leader()
    const [survivor, other] = cluster.members.filter((member) => member !== leader) as [TestMember, TestMember]
    using connection = connect(survivor)
    using cached = connection.watches(true)
    using plain = connection.watches()
    for (const stream of [cached, plain]) stream.watch(prefix, start + 1n)
    await connection.create(`${prefix}before`, '1')
    await waitFor('the first event', () => cached.events.length === 1 && plain.events.length === 1)
    await leader.kill()
    await waitFor('writes go on', async () => (await connection.update(`${prefix}after`, 0n, '2')).succeeded, 20_000)
    await waitFor('events go on', () => cached.events.length === 2 && plain.events.length === 2)
    assert.equal(cached.ended, null, 'an election is no reason to end a watch')
    await other.kill()
    const ended = await waitFor('the stream that requires a leader ends', () => cached.ended, 20_000)
    assert.deepEqual(ended, { code: Code.Unavailable, details: 'etcdserver: no leader' })
    assert.equal(plain.ended, null)
    using refused = connection.watches(true)
    refused.watch(prefix, start + 1n)
    assert.deepEqual(await waitFor('so does a new one', () => refused.ended), ended)
    for (const member of [leader, other]) member.start()
    await cluster.waitUntilServing()
    const resumed = cached.events.at(-1)!.kv!.mod_revision + 1n
    using again = connection.watches(true)
    again.watch(prefix, resumed)
    await connection.create(`${prefix}again`, '3')
    await waitFor('the next event', () => again.events.length === 1 && plain.events.length === 3)
    assert.deepEqual(
      [...cached.events, ...again.events].map(({ kv }) => keyOf(kv)),
      plain.events.map(({ kv }) => keyOf(kv)),
    )
  })
})

/** Each event is told once, in order, and before any progress that claims its revision. */
function assertNeverEarly(stream: KubernetesWatches, writes: readonly { key: string; revision: bigint }[]): void {
  const told = new Map<string, bigint>()
  let progress = 0n
  for (const { watch_id, header, events } of stream.responses) {
    if (watch_id === -1n && events.length === 0) progress = header!.revision
    for (const { kv } of events) {
      assert.ok(kv!.mod_revision > progress, `${keyOf(kv)} at ${kv!.mod_revision} came after progress ${progress}`)
      assert.ok(!told.has(keyOf(kv)), `${keyOf(kv)} came twice`)
      told.set(keyOf(kv), kv!.mod_revision)
    }
  }
  for (const { key, revision } of writes) assert.equal(told.get(key), revision, key)
}
