import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memberId, noMember } from '../../../src/base/ids.ts'
import { limits } from '../../../src/base/limits.ts'
import { Code, EtcdError, type EtcdErrorReason } from '../../../src/errors.ts'
import { WatchResponse } from '../../../src/wire/gen/rpc.ts'
import { fakeInfo } from '../threads/support/fake-core.ts'
import { type FakeStream, watchHarness } from './watch-harness.ts'

/** Why a call was ended with one of etcd's errors; null while it goes on. */
function endedFor(stream: FakeStream): EtcdErrorReason | null {
  if (stream.ended === null) return null
  assert.ok(stream.ended.error instanceof EtcdError)
  return stream.ended.error.reason
}

const compactedText = '"etcdserver: mvcc: required revision has been compacted"'

test('a watch is acknowledged at the current revision and gets what comes after it', () => {
  const { open, commit } = watchHarness()
  commit({ put: 'a' })
  const stream = open()
  stream.create('a')
  commit({ put: 'a' })
  commit({ put: 'b' })
  commit({ delete: 'a' })
  assert.deepEqual(stream.lines(), ['#0 @2 created', '#0 @3 put a=a@3 mod=3', '#0 @5 delete a mod=5'])
})

test('the first watch of a serving thread that was told of no commits begins at the state, not at what it was told', () => {
  const { open, commit, timers } = watchHarness({ threaded: true })
  commit({ put: 'a' })
  commit({ put: 'a' })
  const stream = open()
  stream.create('a')
  timers.settle()
  assert.deepEqual(stream.lines(), ['#0 @3 created'])
  commit({ put: 'a' })
  assert.deepEqual(stream.lines(), ['#0 @4 put a=a@4 mod=4'])
})

test('headers carry cluster, member and term', () => {
  const { open } = watchHarness()
  const stream = open()
  stream.create('a')
  const [response] = stream.take()
  assert.deepEqual(response!.header, {
    cluster_id: fakeInfo.clusterId,
    member_id: fakeInfo.memberId,
    revision: 1n,
    raft_term: 3n,
  })
})

for (const { name, key, range_end, want } of [
  { name: 'a single key', key: 'b', range_end: '', want: ['b'] },
  { name: 'a range without its end', key: 'b', range_end: 'd', want: ['b', 'bb', 'c'] },
  { name: 'from a key on', key: 'c', range_end: '\0', want: ['c', 'd'] },
  { name: 'the empty key is the smallest', key: '', range_end: '\0', want: ['a', 'b', 'bb', 'c', 'd'] },
  { name: 'the empty key alone is one NUL byte', key: '', range_end: '', want: [] },
])
  test(`ranges: ${name}`, () => {
    const { open, commit } = watchHarness()
    const stream = open()
    stream.create(key, { range_end })
    commit(...['a', 'b', 'bb', 'c', 'd'].map((put) => ({ put })))
    const keys = stream.take().flatMap((response) => response.events.map((event) => String(event.kv!.key)))
    assert.deepEqual(keys, want)
  })

test('ids: automatic ones count up and skip those that clients chose', () => {
  const { open } = watchHarness()
  const stream = open()
  stream.create('a', { watch_id: 1n })
  stream.create('a')
  stream.create('a')
  stream.create('a', { watch_id: 1n })
  stream.create('a', { watch_id: 9223372036854775807n })
  assert.deepEqual(stream.lines(), [
    '#1 @1 created',
    '#0 @1 created',
    '#2 @1 created',
    '#-1 @1 created canceled "mvcc: duplicate watch ID provided on the WatchStream"',
    '#9223372036854775807 @1 created',
  ])
})

test('ids are per stream: equal watches of two streams both get their events', () => {
  const { open, commit } = watchHarness()
  const streams = [open(), open()]
  for (const stream of streams) stream.create('a')
  commit({ put: 'a' })
  for (const stream of streams) assert.deepEqual(stream.lines(), ['#0 @1 created', '#0 @2 put a=a@2 mod=2'])
})

for (const { name, key, options, want } of [
  { name: 'inverted', key: 'b', options: { range_end: 'a' }, want: '"mvcc: watcher range is empty"' },
  { name: 'of no length', key: 'b', options: { range_end: 'b' }, want: '"mvcc: watcher range is empty"' },
  { name: 'of the past before all', key: 'b', options: { start_revision: -1n }, want: compactedText },
])
  test(`a range ${name} is refused, and the stream lives on`, () => {
    const { open, commit } = watchHarness()
    const stream = open()
    stream.create(key, options)
    stream.create('a')
    commit({ put: 'a' })
    assert.deepEqual(stream.lines(), [`#-1 @1 created canceled ${want}`, '#0 @1 created', '#0 @2 put a=a@2 mod=2'])
  })

test('a start in the past replays history, then goes on live without gap or repeat', () => {
  const { open, commit, core, timers } = watchHarness()
  commit({ put: 'a' })
  commit({ put: 'b' })
  commit({ put: 'a' })
  const stream = open()
  stream.create('a', { start_revision: 2n })
  // Comes between the creation and the reading of history.
  core.commit({ put: 'a' })
  timers.settle()
  commit({ put: 'a' })
  assert.deepEqual(stream.lines(), [
    '#0 @4 created',
    '#0 @5 put a=a@2 mod=2 put a=a@4 mod=4 put a=a@5 mod=5',
    '#0 @6 put a=a@6 mod=6',
  ])
})

test('a start in the future delivers nothing older, and no progress before it', () => {
  const { open, commit, timers } = watchHarness()
  const stream = open()
  stream.create('a', { start_revision: 4n, progress_notify: true })
  commit({ put: 'a' })
  stream.progress()
  timers.advance(fakeInfo.watchProgressIntervalMs * 1.2)
  assert.deepEqual(stream.lines(), ['#0 @1 created'])
  // The pending request is answered as soon as revision 4 is the next one.
  commit({ put: 'a' })
  assert.deepEqual(stream.lines(), ['#-1 @3'])
  commit({ put: 'a' })
  assert.deepEqual(stream.lines(), ['#0 @4 put a=a@4 mod=4'])
})

test('several batches of one turn make one response, of which a later start sees its part', () => {
  const { open, core, timers } = watchHarness()
  const stream = open()
  stream.create('a')
  stream.create('a', { start_revision: 3n })
  core.commit({ put: 'a' })
  core.commit({ put: 'a' })
  timers.settle()
  assert.deepEqual(stream.lines(), [
    '#0 @1 created',
    '#1 @1 created',
    '#0 @3 put a=a@2 mod=2 put a=a@3 mod=3',
    '#1 @3 put a=a@3 mod=3',
  ])
})

test('revisions that no safe integer holds are accepted and never reached', () => {
  const { open, commit } = watchHarness()
  const stream = open()
  stream.create('a', { start_revision: 9223372036854775805n })
  commit({ put: 'a' })
  assert.deepEqual(stream.lines(), ['#0 @1 created'])
})

test('a compacted start is acknowledged, then canceled; the compaction revision itself is still there', () => {
  const { open, commit, core, timers } = watchHarness()
  for (let i = 0; i < 4; i++) commit({ put: 'a' })
  core.publish(core.store.compact(4))
  timers.settle()
  const stream = open()
  stream.create('a', { start_revision: 3n })
  stream.create('a', { start_revision: 4n })
  timers.settle()
  assert.deepEqual(stream.lines(), [
    '#0 @5 created',
    '#1 @5 created',
    '#0 @5 canceled compact=4',
    '#1 @5 put a=a@4 mod=4 put a=a@5 mod=5',
  ])
})

test('prev_kv: the superseded pair, none for creations, none if compacted; also from history', () => {
  const { open, commit, core, timers } = watchHarness()
  const live = open()
  live.create('a', { prev_kv: true })
  commit({ put: 'a' })
  commit({ put: 'a' })
  commit({ delete: 'a' })
  const want = '#0 @1 created|#0 @2 put a=a@2 mod=2|#0 @3 put a=a@3 mod=3 prev=a@2|#0 @4 delete a mod=4 prev=a@3'
  assert.equal(live.lines().join('|'), want)
  core.publish(core.store.compact(3))
  const late = open()
  late.create('a', { prev_kv: true, start_revision: 3n })
  timers.settle()
  assert.deepEqual(late.lines(), ['#0 @4 created', '#0 @4 put a=a@3 mod=3 delete a mod=4 prev=a@3'])
})

test('filters leave out puts or deletes, live and from history', () => {
  const { open, commit, timers } = watchHarness()
  const live = open()
  live.create('a', { filters: [0] })
  live.create('a', { filters: [1] })
  live.create('a', { filters: [0, 1] })
  commit({ put: 'a' })
  commit({ delete: 'a' })
  const late = open()
  late.create('a', { filters: [0], start_revision: 1n })
  timers.settle()
  assert.deepEqual(live.lines().slice(3), ['#1 @2 put a=a@2 mod=2', '#0 @3 delete a mod=3'])
  assert.deepEqual(late.lines(), ['#0 @3 created', '#0 @3 delete a mod=3'])
})

test('all events of a revision come in one response', () => {
  const { open, commit } = watchHarness()
  const stream = open()
  stream.create('a', { range_end: 'c' })
  commit({ put: 'a' }, { put: 'b' }, { put: 'c' })
  assert.deepEqual(stream.lines(), ['#0 @1 created', '#0 @2 put a=a@2 mod=2 put b=b@2 mod=2'])
})

test('fragment: only who asked for it gets large responses in pieces below the bound', () => {
  const { open, commit } = watchHarness()
  const bytesMax = fakeInfo.maxRequestBytes + limits.grpcOverheadBytes
  const [whole, pieces] = [open(), open()]
  whole.create('k', { range_end: 'l' })
  pieces.create('k', { range_end: 'l', fragment: true })
  commit(...Array.from({ length: 5 }, (_, i) => ({ put: `k${i}`, value: 'x'.repeat(200_000) })))
  assert.equal(whole.take()[1]!.events.length, 5)
  const sizes = pieces.written.map((bytes) => bytes.length)
  assert.ok(sizes.every((size) => size < bytesMax))
  const responses = pieces.take().slice(1)
  assert.deepEqual(
    responses.map((response) => [response.fragment, response.events.length]),
    [
      [true, 2],
      [true, 2],
      [false, 1],
    ],
  )
})

test('cancel is confirmed, ends the events, and is silent for ids that are not there', () => {
  const { open, commit } = watchHarness()
  const stream = open()
  stream.create('a')
  stream.cancel(5n)
  stream.cancel(0n)
  stream.cancel(0n)
  commit({ put: 'a' })
  assert.deepEqual(stream.lines(), ['#0 @1 created', '#0 @1 canceled'])
})

test('events of commits before a cancel leave before its confirmation', () => {
  const { open, core } = watchHarness()
  const stream = open()
  stream.create('a')
  core.commit({ put: 'a' })
  stream.cancel(0n)
  assert.deepEqual(stream.lines(), ['#0 @1 created', '#0 @2 put a=a@2 mod=2', '#0 @2 canceled'])
})

test('a progress request waits for watches that still read history', () => {
  const { open, commit, timers } = watchHarness()
  commit({ put: 'a' })
  const stream = open()
  stream.progress()
  stream.create('a', { start_revision: 1n })
  stream.create('b')
  stream.progress()
  assert.deepEqual(stream.lines(), ['#-1 @2', '#0 @2 created', '#1 @2 created'])
  timers.settle()
  assert.deepEqual(stream.lines(), ['#0 @2 put a=a@2 mod=2', '#-1 @2'])
})

test('progress_notify reports idle watches only, at the interval lengthened by at most a tenth', () => {
  const { open, commit, timers } = watchHarness()
  const stream = open()
  stream.create('a', { progress_notify: true })
  stream.create('b')
  const interval = fakeInfo.watchProgressIntervalMs * 1.05 // chance is 0.5 here
  timers.advance(interval - 1)
  assert.deepEqual(stream.lines(), ['#0 @1 created', '#1 @1 created'])
  timers.advance(1)
  assert.deepEqual(stream.lines(), ['#0 @1'])
  commit({ put: 'a' })
  timers.advance(interval)
  assert.deepEqual(stream.lines(), ['#0 @2 put a=a@2 mod=2'])
  timers.advance(interval)
  assert.deepEqual(stream.lines(), ['#0 @2'])
  stream.disconnect()
  assert.equal(timers.pending, 0)
})

test('a half-closed call keeps its watches', () => {
  const { open, commit } = watchHarness()
  const stream = open()
  stream.create('a')
  stream.halfClose()
  commit({ put: 'a' })
  assert.deepEqual(stream.lines(), ['#0 @1 created', '#0 @2 put a=a@2 mod=2'])
})

test('bytes that are no request end the call and nobody else', () => {
  const { open, commit } = watchHarness()
  const [bad, good] = [open(), open()]
  bad.create('a')
  good.create('a')
  bad.sendRaw(Uint8Array.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f))
  commit({ put: 'a' })
  assert.equal(bad.ended?.error?.code, Code.Internal)
  assert.equal(bad.lines().length, 1)
  assert.equal(good.lines().length, 2)
})

test('a request without content is ignored', () => {
  const { open } = watchHarness()
  const stream = open()
  stream.sendRaw(new Uint8Array(0))
  assert.deepEqual([stream.lines(), stream.ended], [[], null])
})

test('require leader: refused without one, ended after three election timeouts without one', () => {
  const { open, core, timers } = watchHarness()
  const requiring = open({ hasleader: 'true' })
  const plain = open()
  core.setLeader(noMember, 4)
  timers.advance(2 * fakeInfo.electionTimeoutMs)
  core.setLeader(noMember, 5)
  timers.advance(fakeInfo.electionTimeoutMs - 1)
  assert.equal(endedFor(requiring), null)
  timers.advance(1)
  assert.equal(endedFor(requiring), 'noLeader')
  assert.equal(plain.ended, null)
  assert.equal(endedFor(open({ hasleader: 'true' })), 'noLeader')
  core.setLeader(memberId(7n), 6)
  assert.equal(open({ hasleader: 'true' }).ended, null)
})

test('a leader that comes back in time ends nothing', () => {
  const { open, core, timers } = watchHarness()
  const stream = open({ hasleader: 'true' })
  core.setLeader(noMember, 4)
  timers.advance(2999)
  core.setLeader(memberId(7n), 5)
  timers.advance(10_000)
  assert.equal(stream.ended, null)
})

test('after the state was replaced, watches continue from history', () => {
  const { open, commit, core, timers } = watchHarness()
  const stream = open()
  stream.create('a')
  commit({ put: 'a' })
  core.store.commit({ put: 'a' })
  core.store.commit({ put: 'a' })
  core.publish(core.store.batch([], true))
  core.commit({ put: 'a' })
  timers.settle()
  commit({ put: 'a' })
  assert.deepEqual(stream.lines(), [
    '#0 @1 created',
    '#0 @2 put a=a@2 mod=2',
    '#0 @5 put a=a@3 mod=3 put a=a@4 mod=4 put a=a@5 mod=5',
    '#0 @6 put a=a@6 mod=6',
  ])
})

test('after the state was replaced by one that is compacted beyond a watch, it is canceled', () => {
  const { open, commit, core, timers } = watchHarness()
  const stream = open()
  stream.create('a')
  commit({ put: 'a' })
  for (let i = 0; i < 5; i++) core.store.commit({ put: 'a' })
  core.store.compact(6)
  core.publish(core.store.batch([], true))
  timers.settle()
  commit({ put: 'a' })
  assert.deepEqual(stream.lines().slice(2), ['#0 @7 canceled compact=6'])
})

test('history is read in bounded steps, in turns with other watches', () => {
  const { open, core, timers } = watchHarness()
  for (let i = 0; i < 2500; i++) core.store.commit({ put: i % 2 === 0 ? 'a' : 'b' })
  const stream = open()
  stream.create('a', { start_revision: 1n })
  stream.create('b', { start_revision: 2000n })
  stream.lines()
  timers.turn()
  const first = stream.take()
  assert.deepEqual(
    first.map((response) => [response.watch_id, response.header!.revision, response.events.length]),
    [[0n, 1001n, 500]],
  )
  timers.turn()
  const second = stream.take()
  assert.deepEqual(
    second.map((response) => [response.watch_id, response.header!.revision, response.events.length]),
    [[1n, 2501n, 251]],
  )
  timers.settle()
  const rest = stream.take()
  assert.equal(rest.flatMap((response) => response.events).length, 750)
})

test('a stopped client holds up nobody, keeps a bounded queue, and gets everything once it reads on', () => {
  const { open, commit } = watchHarness()
  const [slow, quick] = [open(), open()]
  slow.create('a')
  quick.create('a')
  slow.room = 1
  const value = 'x'.repeat(1024 * 1024)
  const count = 3 * (limits.watchStreamQueueBytesMax / value.length)
  for (let i = 0; i < count; i++) commit({ put: 'a', value })
  assert.equal(quick.take().length, 1 + count)
  assert.equal(slow.take().length, 2)
  const seen: bigint[] = []
  for (let turns = 0; turns < 10 * count && seen.length < count - 1; turns++) {
    slow.drain(1)
    seen.push(...slow.take().flatMap((response) => response.events.map((event) => event.kv!.mod_revision)))
    commit()
  }
  assert.deepEqual(
    seen,
    Array.from({ length: count - 1 }, (_, i) => BigInt(i + 3)),
  )
})

test('a client that asks and does not read is held back until it has read its answers', () => {
  const { open } = watchHarness({ bounds: { queueBytesMax: 1000 } })
  const stream = open()
  stream.room = 1
  let asked = 0
  for (; asked < 100 && !stream.paused; asked++) stream.create('a')
  assert.ok(stream.paused && asked < 60)
  stream.drain(null)
  assert.equal(stream.paused, false)
  assert.equal(stream.take().length, asked)
})

test('a client that goes on asking is ended before its answers fill the memory', () => {
  const { open } = watchHarness({ bounds: { queueBytesMax: 1000 } })
  const stream = open()
  stream.room = 1
  // Each answer takes 20 bytes or more.
  for (let i = 0; i < 100 && stream.ended === null; i++) stream.create('a')
  assert.equal(endedFor(stream), 'tooManyRequests')
})

test('equal watches of many streams are sent the very same bytes', () => {
  const { open, commit } = watchHarness()
  const streams = Array.from({ length: 3 }, () => open())
  for (const stream of streams) stream.create('a')
  for (const stream of streams) stream.take()
  commit({ put: 'a' })
  const [first, ...others] = streams.map((stream) => stream.written[0]!)
  assert.ok(others.every((bytes) => bytes === first))
  assert.equal(WatchResponse.decode(first!).events.length, 1)
})

test('the feed of commits is taken only while there are streams', () => {
  const { open, core } = watchHarness()
  const before = core.committedListeners.size
  const streams = [open(), open()]
  assert.equal(core.committedListeners.size, before + 1)
  for (const stream of streams) stream.disconnect()
  assert.equal(core.committedListeners.size, before)
})

test('closing the service ends its streams and refuses new ones', () => {
  const { open, service, core } = watchHarness()
  const stream = open()
  stream.create('a')
  service.close()
  assert.equal(endedFor(stream), 'stopped')
  assert.equal(endedFor(open()), 'stopped')
  assert.equal(core.leaderListeners.size, 0)
})

/** The fragments' and the queue's worth of one large revision. */
const largeChanges = (count: number) =>
  Array.from({ length: count }, (_, i) => ({ put: `k${i}`, value: 'x'.repeat(300) }))

test('a large revision in fragments does not overflow the stream of a client that reads slowly', () => {
  const { open, commit } = watchHarness({ bounds: { queueBytesMax: 500, fragmentBytesMax: 700 } })
  const stream = open()
  stream.create('k', { range_end: 'l', fragment: true })
  stream.room = 1
  commit(...largeChanges(10))
  assert.equal(stream.ended, null)
  const responses = stream.take()
  for (let n = 0; n < 20; n++) {
    stream.drain(1)
    responses.push(...stream.take())
  }
  assert.equal(responses.flatMap((response) => response.events).length, 10)
  assert.deepEqual(
    responses.slice(1).map((response) => response.fragment),
    [true, true, true, true, false],
  )
})

test('a call that ends while events are delivered takes none away from others', () => {
  const { open, commit } = watchHarness()
  const [ending, other] = [open(), open()]
  // Two groups of one range: the first goes with its only watch.
  ending.create('a', { prev_kv: true })
  other.create('a')
  ending.write = () => {
    ending.disconnect()
    return true
  }
  commit({ put: 'a' })
  assert.deepEqual(other.lines(), ['#0 @1 created', '#0 @2 put a=a@2 mod=2'])
})

test('progress is answered although some watch lags at every moment', () => {
  const { open, core, timers } = watchHarness()
  for (let i = 0; i < 2500; i++) core.store.commit({ put: 'a' })
  const stream = open()
  stream.create('b')
  stream.create('a', { start_revision: 1n })
  stream.take()
  stream.progress()
  for (let turns = 0; turns < 12; turns++) {
    // Each turn another watch begins in the past, and there is more to read.
    core.commit({ put: 'a' })
    stream.create('c', { start_revision: 2502n })
    timers.turn()
  }
  assert.ok(stream.take().some((response) => response.watch_id === -1n && response.header!.revision >= 2501n))
})

test('unknown kinds of filters are ignored, and ids may be negative', () => {
  const { open, commit } = watchHarness()
  const stream = open()
  stream.create('a', { filters: [7 as never, -1 as never], watch_id: -9223372036854775808n })
  commit({ put: 'a' })
  stream.cancel(-9223372036854775808n)
  assert.deepEqual(stream.lines(), [
    '#-9223372036854775808 @1 created',
    '#-9223372036854775808 @2 put a=a@2 mod=2',
    '#-9223372036854775808 @2 canceled',
  ])
})

test('ten megabytes of history come in one response, as from etcd', () => {
  const { open, core, timers } = watchHarness()
  for (let i = 0; i < 10; i++) core.store.commit({ put: `k${i}`, value: 'x'.repeat(1024 * 1024) })
  const stream = open()
  stream.create('k', { range_end: 'l', start_revision: 1n })
  timers.settle()
  assert.deepEqual(
    stream.take().map((response) => response.events.length),
    [0, 10],
  )
})

test('live events that come together are split between revisions where they are large', () => {
  const { open, core, timers } = watchHarness({ bounds: { liveResponseBytesMax: 1500 } })
  const stream = open()
  stream.create('k', { range_end: 'l' })
  stream.take()
  core.commit(...largeChanges(3))
  core.commit({ put: 'k0' })
  core.commit(...largeChanges(6))
  core.commit({ put: 'k0' })
  timers.settle()
  assert.deepEqual(
    stream.take().map((response) => [response.header!.revision, response.events.length]),
    [
      [3n, 4],
      [4n, 6],
      [5n, 1],
    ],
  )
})

test('the memory of watches is bounded: who wants more is refused, and the stream lives on', () => {
  const { open, commit } = watchHarness()
  const stream = open()
  const long = 'k'.repeat(4 * 1024 * 1024)
  const count = Math.floor(limits.watchStreamWatchesBytesMax / (3 * long.length + limits.watchOverheadBytes))
  for (let i = 0; i <= count; i++) stream.create(long)
  assert.deepEqual(stream.lines().slice(-2), [
    `#${count - 1} @1 created`,
    '#-1 @1 created canceled "etcdserver: too many requests"',
  ])
  stream.create('a')
  stream.cancel(0n)
  stream.create(long)
  commit({ put: 'a' })
  assert.deepEqual(stream.lines(), [
    `#${count} @1 created`,
    '#0 @1 canceled',
    `#${count + 1} @1 created`,
    `#${count} @2 put a=a@2 mod=2`,
  ])
})

test('ten thousand watches on one stream, created and canceled again and again', () => {
  const { open, commit } = watchHarness()
  const stream = open()
  for (let round = 0; round < 3; round++) {
    for (let i = 0; i < 10_000; i++) stream.create(`key${i}`, { range_end: i % 2 === 0 ? '' : 'kez' })
    assert.equal(stream.take().filter((response) => response.created && !response.canceled).length, 10_000)
    commit({ put: 'key9998' })
    const events = stream.take()
    assert.equal(new Set(events.map((response) => response.watch_id)).size, events.length)
    // Its own watch, and those of ranges that begin at or below it.
    assert.equal(
      events.length,
      1 + Array.from({ length: 5000 }, (_, i) => `key${2 * i + 1}`).filter((key) => key <= 'key9998').length,
    )
    for (let i = 0; i < 10_000; i++) stream.cancel(BigInt(round * 10_000 + i))
    assert.equal(stream.take().length, 10_000)
    commit({ put: 'key9998' })
    assert.equal(stream.take().length, 0)
  }
})

test('streams that come and go leave nothing behind', () => {
  const { open, commit, core, timers } = watchHarness()
  const before = core.committedListeners.size
  for (let i = 0; i < 1000; i++) {
    const stream = open()
    stream.create('a', { progress_notify: true })
    stream.create('a', { range_end: '\0', start_revision: 1n })
    stream.progress()
    if (i % 3 === 0) stream.room = 1
    commit({ put: 'a' })
    stream.disconnect()
  }
  assert.deepEqual([core.committedListeners.size, timers.pending, core.leaderListeners.size], [before, 0, 1])
})
