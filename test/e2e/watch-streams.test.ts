import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { PutRequest, WatchRequest, WatchResponse } from '../../src/wire/gen/rpc.ts'
import { Both } from '../support/both.ts'
import { TestCluster } from '../support/cluster.ts'
import { type Call, GrpcConnection } from '../support/grpc-connection.ts'
import { waitFor } from '../support/wait-for.ts'

type Union = NonNullable<WatchRequest['request_union']>
type Creation = Partial<Extract<Union, { $case: 'create_request' }>['value']>

const connect = (cluster: TestCluster, windowBytes?: number, member = cluster.members[0]!): GrpcConnection =>
  new GrpcConnection(member.clientUrl, cluster.certificates.client, windowBytes)

/** One Watch call, and all that has come from it. */
class Watch {
  readonly responses: WatchResponse[] = []
  ended: string | null | undefined
  readonly call: Call

  constructor(connection: GrpcConnection, metadata: Readonly<Record<string, string>> = {}) {
    this.call = connection.open(
      '/etcdserverpb.Watch/Watch',
      (message) => this.responses.push(WatchResponse.decode(Uint8Array.from(message))),
      (problem) => {
        this.ended = problem
      },
      metadata,
    )
  }

  send(request_union: Union): void {
    this.call.send(WatchRequest.encode({ request_union }).finish())
  }

  create(creation: Creation): void {
    const empty = { key: Buffer.alloc(0), range_end: Buffer.alloc(0), start_revision: 0n, watch_id: 0n, filters: [] }
    const off = { progress_notify: false, prev_kv: false, fragment: false }
    this.send({ $case: 'create_request', value: { ...empty, ...off, ...creation } })
  }

  cancel(watch_id: bigint): void {
    this.send({ $case: 'cancel_request', value: { watch_id } })
  }

  progress(): void {
    this.send({ $case: 'progress_request', value: {} })
  }

  async received(count: number): Promise<void> {
    await waitFor(`${count} responses`, () => {
      assert.equal(this.ended, undefined)
      return this.responses.length >= count
    })
  }

  /** Revisions of all events of a watch, in the order in which they came. */
  revisions(id = 0n): number[] {
    return this.responses
      .filter((response) => response.watch_id === id)
      .flatMap((response) => response.events.map((event) => Number(event.kv!.mod_revision)))
  }
}

async function put(connection: GrpcConnection, key: string, value: Uint8Array = Buffer.from('v')): Promise<void> {
  const request = { key: Buffer.from(key), value, lease: 0n, prev_kv: false, ignore_value: false, ignore_lease: false }
  await connection.unary('/etcdserverpb.KV/Put', PutRequest.encode(request).finish())
}

/** A response without what differs from cluster to cluster. */
const comparable = ({ header, events, ...rest }: WatchResponse): unknown => ({
  ...rest,
  // Of a compacted watch etcd says no revision at all.
  revision: rest.compact_revision === 0n ? header!.revision : null,
  events: events.map((event) => ({ type: event.type, kv: event.kv, prev_kv: event.prev_kv })),
})

const key = Buffer.from('w')

describe('watch streams, call by call', () => {
  const both = Both.forThisSuite(1)

  test('every answer is as from etcd: ids, refusals, filters, progress, replays, cancellations', async () => {
    const { ours, etcd } = await both.run(async (cluster) => {
      using connection = connect(cluster)
      for (let i = 0; i < 4; i++) await put(connection, 'w')
      await cluster.etcdctl.ok('del', 'w')
      await cluster.etcdctl.ok('compaction', '3')
      const watch = new Watch(connection)
      const steps: ((w: Watch) => void)[] = [
        (w) => w.progress(),
        (w) => w.create({ key }),
        (w) => w.create({ key, watch_id: 7n }),
        (w) => w.create({ key, watch_id: 7n }),
        (w) => w.create({ key, watch_id: -1n }),
        (w) => w.create({ key, watch_id: -(2n ** 63n) }),
        (w) => w.create({ key, range_end: Buffer.from('a') }),
        (w) => w.create({ key, range_end: key }),
        (w) => w.create({ key, start_revision: 2n ** 63n - 3n }),
        (w) => w.create({ key, filters: [0, 1, 5 as never, -4 as never] }),
        (w) => w.create({ key: Buffer.alloc(0), range_end: Buffer.of(0), filters: [1] }),
        (w) => w.create({ key: Buffer.alloc(1024 * 1024, 'k') }),
        (w) => w.cancel(2n),
        (w) => w.cancel(-(2n ** 63n)),
      ]
      let count = 0
      for (const step of steps) {
        step(watch)
        await watch.received(++count)
      }
      watch.cancel(12345n)
      watch.create({ key, start_revision: 2n })
      await watch.received(count + 2)
      watch.create({ key, start_revision: 3n, prev_kv: true })
      await watch.received(count + 4)
      return watch.responses.map(comparable)
    })
    assert.deepEqual(ours, etcd)
  })

  test('a client that does not read holds up nobody, and gets everything in order when it reads on', async () => {
    const cluster = both.ours
    using slowConnection = connect(cluster, 64 * 1024)
    using connection = connect(cluster)
    const [slow, quick] = [new Watch(slowConnection), new Watch(connection)]
    for (const watch of [slow, quick]) {
      watch.create({ key: Buffer.from('slow') })
      await watch.received(1)
    }
    slow.call.stopReading()
    const value = Buffer.alloc(512 * 1024, 'x')
    const puts = 100
    for (let i = 0; i < puts; i++) await put(connection, 'slow', value)
    await waitFor('the quick one has all', () => quick.revisions().length === puts)
    assert.ok(slow.revisions().length < puts)
    slow.call.read()
    await waitFor('the slow one has all', () => slow.revisions().length === puts)
    assert.deepEqual(slow.revisions(), quick.revisions())
  })

  test('streams opened and reset in a loop disturb nobody on the same connection', async () => {
    using connection = connect(both.ours)
    const steady = new Watch(connection)
    steady.create({ key: Buffer.from('steady') })
    await steady.received(1)
    for (let round = 0; round < 20; round++) {
      const passing = Array.from({ length: 50 }, () => {
        const watch = new Watch(connection)
        watch.create({ key: Buffer.of(0), range_end: Buffer.of(0), start_revision: 1n })
        return watch
      })
      await passing[round]!.received(1)
      for (const watch of passing) watch.call.reset()
      await put(connection, 'steady')
    }
    await waitFor('every event', () => steady.revisions().length === 20)
    assert.equal(steady.ended, undefined)
  })

  test('a watch that goes on after the member was killed sees each revision once', async () => {
    const cluster = both.ours
    const member = cluster.members[0]!
    const seen: number[] = []
    for (let life = 0; life < 3; life++) {
      using connection = connect(cluster)
      const watch = new Watch(connection)
      watch.create({ key: Buffer.from('life'), start_revision: BigInt((seen.at(-1) ?? -1) + 1) })
      await watch.received(1)
      for (let i = 0; i < 20; i++) await put(connection, 'life')
      await waitFor('some events', () => watch.revisions().length >= 10)
      seen.push(...watch.revisions())
      await member.kill()
      member.start()
      await cluster.waitUntilServing()
    }
    using connection = connect(cluster)
    const all = new Watch(connection)
    all.create({ key: Buffer.from('life'), start_revision: BigInt(seen.at(-1)! + 1) })
    await waitFor('the rest', () => seen.length + all.revisions().length >= 60)
    const revisions = [...seen, ...all.revisions()]
    assert.equal(revisions.length, 60)
    assert.ok(revisions.every((revision, n) => n === 0 || revision > revisions[n - 1]!))
  })
})

test('progress is reported at the interval of the flag, to idle watches that asked for it', async () => {
  const flags = ['--experimental-watch-progress-notify-interval=200ms']
  await using cluster = await TestCluster.start({ size: 1, flags })
  using connection = connect(cluster)
  const watch = new Watch(connection)
  watch.create({ key })
  watch.create({ key, progress_notify: true })
  await watch.received(2)
  await put(connection, 'other')
  await waitFor('progress up to the put', () => watch.responses.at(-1)!.header!.revision === 2n)
  assert.ok(watch.responses.slice(2).every((response) => response.watch_id === 1n && response.events.length === 0))
})

describe('watch streams in a cluster of three', () => {
  let cluster: TestCluster
  before(async () => {
    cluster = await TestCluster.start({ size: 3 })
  })
  after(() => cluster?.[Symbol.asyncDispose]())

  test('a watch goes on through the state that its member is sent: no gap, no repeat', async () => {
    const away = await cluster.follower()
    const leader = await cluster.leader()
    using writer = connect(cluster, undefined, leader)
    using connection = connect(cluster, undefined, away)
    const watch = new Watch(connection)
    watch.create({ key: Buffer.from('sent') })
    await watch.received(1)
    await put(writer, 'sent')
    away.signal('SIGSTOP')
    await waitFor('the leader gives the connection up', () => /"reason":"silent"/.test(leader.log))
    // More than twice the entries that are kept for members that lag: before that the log lets go of none.
    const count = 12_000
    const value = Buffer.alloc(100)
    for (let i = 0; i < count; i += 500)
      await Promise.all(Array.from({ length: 500 }, () => put(writer, 'sent', value)))
    away.signal('SIGCONT')
    await waitFor('all events', () => watch.revisions().length === 1 + count)
    assert.match(away.log, /receiving database snapshot/)
    const revisions = watch.revisions()
    assert.ok(revisions.every((revision, n) => n === 0 || revision === revisions[n - 1]! + 1))
  })

  test('without a leader, streams that require one are ended and refused, and others stay', async () => {
    const survivor = await cluster.follower()
    using connection = connect(cluster, undefined, survivor)
    const [requiring, plain] = [new Watch(connection, { hasleader: 'true' }), new Watch(connection)]
    for (const watch of [requiring, plain]) {
      watch.create({ key })
      await watch.received(1)
    }
    await Promise.all(cluster.members.filter((member) => member !== survivor).map((member) => member.kill()))
    const noLeader = 'status 14: etcdserver: no leader'
    await waitFor('the stream is ended', () => requiring.ended === noLeader)
    const late = new Watch(connection, { hasleader: 'true' })
    await waitFor('another is refused', () => late.ended === noLeader)
    plain.progress()
    await plain.received(2)
  })
})
