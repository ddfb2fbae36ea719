import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { WatchCreateRequest_FilterType } from '../../../src/wire/gen/rpc.ts'
import { fakeInfo } from '../threads/support/fake-core.ts'
import type { Change } from '../threads/support/fake-store.ts'
import { type FakeStream, watchHarness } from './watch-harness.ts'
import { StreamModel, Truth, type WatchWish } from './watch-model.ts'

const keys = ['a', 'b', 'c', 'd']
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ put: fc.constantFrom(...keys) }) },
  { weight: 1, arbitrary: fc.record({ put: fc.constantFrom(...keys), value: fc.constant('long '.repeat(40)) }) },
  fc.record({ delete: fc.constantFrom(...keys) }),
)
const stream = fc.nat(2)
const step = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      changes: fc.uniqueArray(change, { maxLength: 3, selector: (one) => ('put' in one ? one.put : one.delete) }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('create' as const),
      stream,
      key: fc.constantFrom(...keys),
      rangeEnd: fc.constantFrom('', 'e', '\0'),
      /** Relative to the current revision; null is "now". */
      start: fc.option(fc.integer({ min: -30, max: 3 }), { nil: null }),
      filters: fc.constantFrom<number[]>([], [], [0], [1], [7]),
      prevKv: fc.boolean(),
      fragment: fc.boolean(),
      progressNotify: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('turn' as const) }) },
  fc.record({ do: fc.constant('cancel' as const), stream, nth: fc.nat(5) }),
  fc.record({ do: fc.constant('block' as const), stream }),
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('drain' as const), stream, room: fc.integer({ min: 1, max: 4 }) }),
  },
  fc.record({ do: fc.constant('progress' as const), stream }),
  fc.record({ do: fc.constant('interval' as const) }),
  fc.record({ do: fc.constant('compact' as const), back: fc.nat(10) }),
  fc.record({ do: fc.constant('replace' as const) }),
  fc.record({ do: fc.constant('reset' as const), stream }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

interface Client {
  stream: FakeStream
  model: StreamModel
}

/** Three clients against one watch service, and all that can happen to them. */
class Play {
  readonly #harness: ReturnType<typeof watchHarness>
  readonly #truth = new Truth()
  readonly clients: Client[]

  constructor(options: Parameters<typeof watchHarness>[0]) {
    this.#harness = watchHarness(options)
    this.clients = Array.from({ length: 3 }, () => this.#connect())
  }

  #connect(): Client {
    return { stream: this.#harness.open(), model: new StreamModel(this.#truth) }
  }

  #create({ stream, model }: Client, wish: WatchWish): void {
    model.create(wish)
    stream.create(wish.key, {
      range_end: wish.rangeEnd,
      start_revision: BigInt(wish.start),
      filters: [...wish.filters] as WatchCreateRequest_FilterType[],
      prev_kv: wish.prevKv,
      fragment: wish.fragment,
      progress_notify: wish.progressNotify,
    })
  }

  step(one: Step): void {
    const { core, timers } = this.#harness
    const truth = this.#truth
    const client = 'stream' in one ? this.clients[one.stream]! : this.clients[0]!
    switch (one.do) {
      case 'commit': {
        const batch = core.store.commit(...one.changes)
        truth.record(one.changes, batch.revision)
        core.publish(batch)
        break
      }
      case 'create': {
        const start = one.start === null ? 0 : Math.max(1, truth.revision + one.start)
        this.#create(client, { ...one, start })
        break
      }
      case 'turn':
        timers.turn()
        break
      case 'cancel': {
        const id = client.model.liveIds()[one.nth]
        if (id !== undefined) client.stream.cancel(id)
        break
      }
      case 'block':
        client.stream.room = 1
        break
      case 'drain':
        client.stream.drain(one.room)
        break
      case 'progress':
        client.model.askProgress()
        client.stream.progress()
        break
      case 'interval':
        timers.advance(fakeInfo.watchProgressIntervalMs * 1.1)
        break
      case 'compact': {
        const at = truth.revision - one.back
        if (at <= truth.compactRevision) break
        truth.compactRevision = at
        core.publish(core.store.compact(at))
        break
      }
      case 'replace': {
        // A commit that the feed left out.
        const batch = core.store.commit({ put: 'a' })
        truth.record([{ put: 'a' }], batch.revision)
        core.publish({ ...batch, events: [], replaced: true })
        break
      }
      case 'reset': {
        // What was on its way is lost; the client begins again behind what it has read.
        client.stream.disconnect()
        const wishes = client.model.resumptions()
        Object.assign(client, this.#connect())
        for (const wish of wishes) this.#create(client, wish)
        break
      }
    }
    this.#read()
  }

  #read(): void {
    for (const { stream, model } of this.clients) for (const response of stream.take()) model.read(response)
  }

  finish(): void {
    for (const { stream } of this.clients) stream.drain(null)
    this.#harness.timers.settle()
    this.#read()
    // Answers alone may overflow so small a queue: then the call has ended.
    for (const { stream, model } of this.clients) if (stream.ended === null) model.assertComplete()
    const { counts } = this.#harness
    assert.equal(counts.slowWatchers, 0, 'everything has been read and sent')
    for (const { stream } of this.clients) stream.disconnect()
    assert.deepEqual([counts.streams, counts.watchers, counts.slowWatchers], [0, 0, 0])
  }
}

for (const threaded of [false, true])
  test(`whatever happens ${threaded ? 'across threads' : 'in one thread'}, watches keep what etcd promises of them`, () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120, size: 'max' }),
        fc.constantFrom(100, 300, 1_000_000),
        fc.constantFrom(150, 1_000_000),
        (steps, queueBytesMax, responseBytesMax) => {
          const bounds = { queueBytesMax, liveResponseBytesMax: responseBytesMax, fragmentBytesMax: responseBytesMax }
          const play = new Play({ bounds, threaded })
          for (const one of steps) play.step(one)
          play.finish()
        },
      ),
      { numRuns: 400 },
    )
  })
