import assert from 'node:assert/strict'
import { type KeyRange, rangeContains, rangeFromWire } from '../../../src/base/key-range.ts'
import { Event_EventType } from '../../../src/wire/gen/kv.ts'
import type { WatchResponse } from '../../../src/wire/gen/rpc.ts'
import type { Change } from '../threads/support/fake-store.ts'

export interface TrueEvent {
  readonly main: number
  readonly key: string
  readonly put: boolean
  readonly value: string
  /** Value before; null if the event made the key. */
  readonly previous: string | null
}

/** Everything that ever happened to the keys. */
export class Truth {
  readonly events: TrueEvent[] = []
  revision = 1
  compactRevision = 0
  readonly #values = new Map<string, string>()

  record(changes: readonly Change[], main: number): void {
    for (const change of changes) {
      const key = 'put' in change ? change.put : change.delete
      const previous = this.#values.get(key) ?? null
      if ('put' in change) {
        const value = change.value ?? `${key}@${main}`
        this.#values.set(key, value)
        this.events.push({ main, key, put: true, value, previous })
      } else if (previous !== null) {
        this.#values.delete(key)
        this.events.push({ main, key, put: false, value: '', previous })
      }
    }
    this.revision = main
  }
}

export interface WatchWish {
  readonly key: string
  readonly rangeEnd: string
  /** First revision; 0 is from now on. */
  readonly start: number
  readonly filters: readonly number[]
  readonly prevKv: boolean
  readonly fragment: boolean
  readonly progressNotify: boolean
}

interface WatchState {
  readonly wish: WatchWish
  readonly range: KeyRange
  /** First revision; 0 until the acknowledgement says from when on. */
  from: number
  acknowledged: boolean
  /** Events of `truth` below this place are delivered, or not wanted. */
  place: number
  /** The last response was a fragment, and more of the same follow. */
  inFragment: boolean
  canceled: boolean
}

/**
 * One stream as its client may rely on it. Each watch sees what it wants ordered, once, without gaps, and each revision in
 * one response; a notice of progress comes after all events that it covers; nothing follows a cancellation.
 *
 * @source the guarantees that etcd's documentation gives (learning/api_guarantees), as checks on the responses alone.
 */
export class StreamModel {
  readonly #truth: Truth
  readonly #watches = new Map<bigint, WatchState>()
  /** Revisions at which progress was asked for, and which no answer has covered. */
  #asked: number[] = []

  constructor(truth: Truth) {
    this.#truth = truth
  }

  /** The client sends a creation. Ids count up from 0. */
  create(wish: WatchWish): void {
    const range = rangeFromWire(Buffer.from(wish.key), Buffer.from(wish.rangeEnd))
    const state = { wish, range, from: wish.start, acknowledged: false, place: 0, inFragment: false, canceled: false }
    this.#watches.set(BigInt(this.#watches.size), state)
  }

  askProgress(): void {
    this.#asked.push(this.#truth.revision)
  }

  /** Where a client begins again that lost the stream: a watch for each that is not canceled, from what it has not seen. */
  resumptions(): WatchWish[] {
    return [...this.#watches.values()]
      .filter((watch) => !watch.canceled)
      .map((watch) => {
        const next = this.#truth.events.slice(watch.place).find((event) => event.main >= watch.from)
        return {
          ...watch.wish,
          start: watch.from === 0 ? 0 : (next?.main ?? Math.max(watch.from, this.#truth.revision + 1)),
        }
      })
  }

  liveIds(): bigint[] {
    return [...this.#watches].filter(([, watch]) => !watch.canceled).map(([id]) => id)
  }

  read(response: WatchResponse): void {
    const revision = Number(response.header!.revision)
    assert.ok(revision <= this.#truth.revision, 'no header is ahead of the store')
    if (response.watch_id === -1n) {
      for (const watch of this.#watches.values()) if (watch.acknowledged) this.#assertDelivered(watch, revision)
      this.#asked = this.#asked.filter((asked) => asked > revision)
      return
    }
    const watch = this.#watches.get(response.watch_id)
    assert.ok(watch !== undefined && !watch.canceled, `a response for watch ${response.watch_id}, which is not there`)
    assert.equal(watch.acknowledged, !response.created, 'the acknowledgement comes first')
    if (response.created) {
      watch.acknowledged = true
      if (watch.from === 0) watch.from = revision + 1
    } else if (response.canceled) {
      watch.canceled = true
      const compacted = Number(response.compact_revision)
      if (compacted === 0) return
      assert.ok(compacted <= this.#truth.compactRevision && watch.from < compacted, 'canceled for what was compacted')
    } else if (response.events.length === 0) {
      assert.ok(watch.wish.progressNotify, 'only who asked for progress is told')
      this.#assertDelivered(watch, revision)
    } else this.#readEvents(watch, response, revision)
  }

  #wanted(watch: WatchState, event: TrueEvent): boolean {
    if (event.main < watch.from || watch.wish.filters.includes(event.put ? 0 : 1)) return false
    return rangeContains(watch.range, Buffer.from(event.key))
  }

  #next(watch: WatchState): TrueEvent | undefined {
    const { events } = this.#truth
    while (watch.place < events.length && !this.#wanted(watch, events[watch.place]!)) watch.place++
    return events[watch.place]
  }

  #assertDelivered(watch: WatchState, revision: number): void {
    if (watch.canceled) return
    assert.ok(revision >= watch.from - 1, 'no progress before the first revision')
    const next = this.#next(watch)
    assert.ok(next === undefined || next.main > revision, `progress ${revision} before the event of ${next?.main}`)
  }

  #readEvents(watch: WatchState, response: WatchResponse, revision: number): void {
    let last = 0
    for (const { type, kv, prev_kv } of response.events) {
      const event = this.#next(watch)
      assert.ok(event !== undefined, 'an event that never was, or twice')
      watch.place++
      last = event.main
      assert.deepEqual(
        [String(kv!.key), type === Event_EventType.PUT, Number(kv!.mod_revision), String(kv!.value)],
        [event.key, event.put, event.main, event.value],
      )
      if (prev_kv !== undefined) {
        assert.ok(watch.wish.prevKv)
        assert.equal(String(prev_kv.value), event.previous)
      } else if (watch.wish.prevKv && event.previous !== null)
        assert.ok(event.main - 1 < this.#truth.compactRevision, 'the previous pair is left out only if it is compacted')
    }
    assert.ok(last <= revision, 'the header covers the events')
    assert.ok(watch.wish.fragment || !response.fragment, 'only who asked for fragments gets them')
    watch.inFragment = response.fragment
    if (!response.fragment)
      assert.notEqual(this.#next(watch)?.main, last, 'all that a watch wants of a revision comes together')
  }

  /** Everything has been sent and read. */
  assertComplete(): void {
    for (const [id, watch] of this.#watches) {
      assert.ok(watch.acknowledged, `watch ${id} was acknowledged`)
      assert.equal(watch.inFragment, false)
      if (!watch.canceled) assert.equal(this.#next(watch), undefined, `watch ${id} lacks an event`)
    }
    const future = [...this.#watches.values()].some((watch) => !watch.canceled && watch.from > this.#truth.revision + 1)
    if (!future) assert.deepEqual(this.#asked, [], 'progress was answered')
  }
}
