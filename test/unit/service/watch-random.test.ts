import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { rangeContains, rangeFromWire } from '../../../src/base/key-range.ts'
import { Event_EventType } from '../../../src/wire/gen/kv.ts'
import type { Change } from '../threads/support/fake-store.ts'
import { type FakeStream, watchHarness } from './watch-harness.ts'

/** What one watch should see, found by looking at every event that ever was. */
interface Expected {
  readonly stream: FakeStream
  readonly id: bigint
  /** First revision; null until the creation is acknowledged, which says from when on. */
  from: number | null
  readonly key: string
  readonly rangeEnd: string
  readonly filters: readonly (0 | 1)[]
  readonly prevKv: boolean
}

interface Truth {
  readonly main: number
  readonly key: string
  readonly put: boolean
  readonly text: string
  readonly prev: string
}

const keys = ['a', 'b', 'c', 'd']
const change: fc.Arbitrary<Change> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ put: fc.constantFrom(...keys) }) },
  fc.record({ delete: fc.constantFrom(...keys) }),
)
const step = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      changes: fc.uniqueArray(change, { maxLength: 3, selector: (one) => ('put' in one ? one.put : one.delete) }),
    }),
  },
  fc.record({
    do: fc.constant('create' as const),
    stream: fc.nat(2),
    key: fc.constantFrom(...keys),
    rangeEnd: fc.constantFrom('', 'c', 'e', '\0'),
    /** Relative to the current revision; null is "now". */
    start: fc.option(fc.integer({ min: -30, max: 3 }), { nil: null }),
    filters: fc.constantFrom<(0 | 1)[]>([], [0], [1]),
    prevKv: fc.boolean(),
  }),
  fc.record({ do: fc.constant('turn' as const) }),
  fc.record({ do: fc.constant('block' as const), stream: fc.nat(2) }),
  fc.record({ do: fc.constant('drain' as const), stream: fc.nat(2), room: fc.integer({ min: 1, max: 4 }) }),
  fc.record({ do: fc.constant('progress' as const), stream: fc.nat(2) }),
  fc.record({ do: fc.constant('replace' as const) }),
)

/** After progress of revision R, no watch that was there gets an event of R or older. */
function assertProgressHolds(lines: readonly string[]): void {
  const bookmarks = new Map<string, number>()
  for (const line of lines) {
    const [first, second] = line.split(' ')
    if (first === 'created') bookmarks.set(second!, 0)
    else if (first === 'progress') for (const id of bookmarks.keys()) bookmarks.set(id, Number(second))
    else {
      const main = Number(/@(\d+)/.exec(line)![1])
      assert.ok(main > bookmarks.get(first!)!, `${line} comes after progress ${bookmarks.get(first!)}`)
    }
  }
}

for (const threaded of [false, true])
  test(`whatever happens ${threaded ? 'across threads' : 'in one thread'}, each watch sees its events once, in order, and progress tells the truth`, () => {
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 120, size: 'max' }),
        fc.constantFrom(100, 300, 1_000_000),
        (steps, queueBytesMax) => {
          const { core, timers, open } = watchHarness({ queueBytesMax, threaded })
          const streams = [open(), open(), open()]
          const watches: Expected[] = []
          const truth: Truth[] = []
          const values = new Map<string, string>()
          const seen = new Map<FakeStream, string[]>(streams.map((stream) => [stream, []]))

          const record = (changes: readonly Change[], main: number): void => {
            for (const one of changes) {
              const key = 'put' in one ? one.put : one.delete
              if (!('put' in one) && !values.has(key)) continue
              const prev = values.get(key) ?? ''
              if ('put' in one) values.set(key, `${key}@${main}`)
              else values.delete(key)
              truth.push({
                main,
                key,
                put: 'put' in one,
                text: `${'put' in one ? 'put' : 'delete'} ${key}@${main}`,
                prev,
              })
            }
          }
          const read = (stream: FakeStream): void => {
            const lines = seen.get(stream)!
            for (const response of stream.take()) {
              if (response.created) {
                lines.push(`created #${response.watch_id}`)
                const watch = watches.find((one) => one.stream === stream && one.id === response.watch_id)!
                watch.from ??= Number(response.header!.revision) + 1
              } else if (response.watch_id === -1n) lines.push(`progress ${response.header!.revision}`)
              for (const { type, kv, prev_kv } of response.events) {
                const put = type === Event_EventType.PUT
                const prev = prev_kv === undefined ? '' : ` prev ${Buffer.from(prev_kv.value)}`
                lines.push(
                  `#${response.watch_id} ${put ? 'put' : 'delete'} ${Buffer.from(kv!.key)}@${kv!.mod_revision}${prev}`,
                )
              }
            }
          }

          for (const one of steps) {
            switch (one.do) {
              case 'commit': {
                const batch = core.store.commit(...one.changes)
                record(one.changes, batch.revision)
                core.publish(batch)
                break
              }
              case 'create': {
                const revision = core.store.revision
                const from = one.start === null ? null : Math.max(1, revision + one.start)
                const stream = streams[one.stream]!
                const inverted = one.rangeEnd !== '' && one.rangeEnd !== '\0' && one.rangeEnd <= one.key
                if (inverted) break
                const id = BigInt(watches.filter((watch) => watch.stream === stream).length)
                const watch = {
                  stream,
                  id,
                  from,
                  key: one.key,
                  rangeEnd: one.rangeEnd,
                  filters: one.filters,
                  prevKv: one.prevKv,
                }
                watches.push(watch)
                stream.create(one.key, {
                  range_end: one.rangeEnd,
                  start_revision: BigInt(from ?? 0),
                  filters: one.filters,
                  prev_kv: one.prevKv,
                })
                break
              }
              case 'turn':
                timers.turn()
                break
              case 'block':
                streams[one.stream]!.room = 1
                break
              case 'drain':
                streams[one.stream]!.drain(one.room)
                break
              case 'progress':
                streams[one.stream]!.progress()
                break
              case 'replace': {
                // A commit that the feed left out.
                const batch = core.store.commit({ put: 'a' })
                record([{ put: 'a' }], batch.revision)
                core.publish({ ...batch, events: [], replaced: true })
                break
              }
            }
            for (const stream of streams) read(stream)
          }
          for (const stream of streams) stream.drain(null)
          timers.settle()
          for (const stream of streams) read(stream)
          // Answers alone may overflow so small a queue: then the call has ended.
          fc.pre(streams.every((stream) => stream.ended === null))

          for (const { stream, id, from, key, rangeEnd, filters, prevKv } of watches) {
            const range = rangeFromWire(Buffer.from(key), Buffer.from(rangeEnd))
            const want = truth
              .filter((event) => event.main >= from! && rangeContains(range, Buffer.from(event.key)))
              .filter((event) => !filters.includes(event.put ? 0 : 1))
              .map((event) => `#${id} ${event.text}${prevKv && event.prev !== '' ? ` prev ${event.prev}` : ''}`)
            assert.deepEqual(
              seen.get(stream)!.filter((line) => line.startsWith(`#${id} `)),
              want,
            )
          }
          for (const lines of seen.values()) assertProgressHolds(lines)
        },
      ),
      { numRuns: 300 },
    )
  })
