import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { WatchEvent } from '../../../src/apply/outcome.ts'
import { compactBatch } from '../../../src/mvcc/compaction.ts'
import { previousKv, readEvents, scanEvents } from '../../../src/mvcc/history.ts'
import { positionOfHistory } from '../../../src/mvcc/history-record.ts'
import { getCompactRevision, getRevision } from '../../../src/mvcc/meta.ts'
import { decodeOld } from '../../../src/mvcc/old-record.ts'
import { KeyValue } from '../../../src/wire/gen/kv.ts'
import { deleteRequests, putRequests } from '../../support/arbitrary-requests.ts'
import { bytes, Store } from '../../support/commands.ts'

const steps = fc.oneof(
  { weight: 5, arbitrary: putRequests.map((request) => ({ kind: 'put' as const, request })) },
  { weight: 3, arbitrary: deleteRequests.map((request) => ({ kind: 'delete' as const, request })) },
  { weight: 1, arbitrary: fc.bigInt(1n, 30n).map((revision) => ({ kind: 'compact' as const, revision })) },
  { weight: 2, arbitrary: fc.integer({ min: 1, max: 6 }).map((changes) => ({ kind: 'remove' as const, changes })) },
)

/** What must be left of all changes: later ones, the newest at or before C of each key, unless that is an earlier deletion. */
function kept(events: readonly WatchEvent[], compacted: number): WatchEvent[] {
  const newest = new Map<string, WatchEvent>()
  for (const event of events) if (event.main <= compacted) newest.set(hex(event.key), event)
  return events.filter(
    (event) =>
      event.main > compacted ||
      (newest.get(hex(event.key)) === event && (event.type === 'put' || event.main === compacted)),
  )
}

const hex = (data: Uint8Array): string => Buffer.from(data).toString('hex')
const place = ({ main, sub }: { main: number; sub: number }): string => `${main}/${sub}`

test('compaction in steps, with writes and further compactions between them, leaves exactly what is still readable', () => {
  fc.assert(
    fc.property(fc.array(steps, { minLength: 5, maxLength: 60, size: 'max' }), (all) => {
      const store = new Store()
      const events: WatchEvent[] = []
      for (const step of all) {
        if (step.kind === 'remove') compactBatch(store.view, step.changes)
        else if (step.kind === 'compact') store.compact(step.revision)
        else events.push(...(step.kind === 'put' ? store.put(step.request) : store.delete(step.request)).events)
      }
      while (compactBatch(store.view, 2) === 'more');
      const left = kept(events, getCompactRevision(store.view))
      const history = store.view.rows('history').map(([row]) => place(positionOfHistory(row)))
      assert.deepEqual(history, left.map(place))
      const live = new Map<string, WatchEvent>()
      for (const event of events) live.set(hex(event.key), event)
      const old = store.view.rows('old').map(([row, value]) => decodeOld(row, value))
      const expected = left.filter((event) => event.type === 'delete' || live.get(hex(event.key)) !== event)
      assert.deepEqual(
        old.map((version) => `${hex(version.key)} ${place(version)} ${version.tombstone}`).sort(),
        expected.map((event) => `${hex(event.key)} ${place(event)} ${event.type === 'delete'}`).sort(),
      )
    }),
    { numRuns: 200 },
  )
})

test('a deletion at the compaction revision is seen by a watch from there until the next compaction', () => {
  const store = new Store()
  store.put({ key: bytes('a'), value: bytes('1') })
  store.delete({ key: bytes('a') })
  store.put({ key: bytes('b') })
  store.compact(3n)
  assert.equal(compactBatch(store.view, 1000), 'done')
  assert.deepEqual(
    [...scanEvents(store.view, 3, 4)].map((event) => `${event.main} ${event.type}`),
    ['3 delete', '4 put'],
  )
  const [deletion] = scanEvents(store.view, 3, 3)
  assert.equal(previousKv(store.view, deletion!), null)
  store.compact(4n)
  assert.equal(compactBatch(store.view, 1000), 'done')
  assert.deepEqual(
    store.view.rows('history').map(([row]) => place(positionOfHistory(row))),
    ['4/0'],
  )
})

test('a batch ends between revisions, however many changes one has', () => {
  const store = new Store()
  for (const key of ['a', 'b', 'c', 'd']) store.put({ key: bytes(key) })
  store.delete({ key: bytes('a'), range_end: bytes('z') })
  store.put({ key: bytes('e') })
  store.compact(7n)
  assert.equal(compactBatch(store.view, 4), 'more')
  assert.equal(store.view.rows('history').length, 9)
  assert.equal(compactBatch(store.view, 1), 'more')
  assert.equal(compactBatch(store.view, 1), 'done')
  assert.equal(store.view.rows('history').length, 1)
  assert.equal(compactBatch(store.view, 1), 'done')
})

test('compaction verdicts', () => {
  const store = new Store()
  store.put({ key: bytes('a') })
  const verdict = (revision: bigint) => {
    const { outcome, compactTo } = store.compact(revision)
    return outcome!.ok ? compactTo : outcome!.reason
  }
  assert.equal(verdict(3n), 'futureRevision')
  assert.equal(verdict(2n ** 62n), 'futureRevision')
  assert.equal(verdict(-1n), 'compacted')
  assert.equal(verdict(-(2n ** 63n)), 'compacted')
  // Nothing was compacted yet, so that 0 is a compaction that removes nothing; the second time it was.
  assert.equal(verdict(0n), 0)
  assert.equal(compactBatch(store.view, 1), 'done')
  assert.equal(verdict(0n), 'compacted')
  assert.equal(verdict(2n), 2)
  assert.equal(verdict(2n), 'compacted')
})

test('history is read in whole revisions within bounds', () => {
  const store = new Store()
  for (const key of ['a', 'b', 'c']) store.put({ key: bytes(key), value: bytes('x'.repeat(100)) })
  store.delete({ key: bytes('a'), range_end: bytes('z') })
  store.put({ key: bytes('d') })
  const at = (from: number, bounds: { revisionsMax: number; bytesMax: number }) => {
    const { events, next } = readEvents(store.view, from, getRevision(store.view), bounds)
    return [events.map(place).join(' '), next]
  }
  assert.deepEqual(at(1, { revisionsMax: 2, bytesMax: 1e9 }), ['2/0 3/0', 4])
  assert.deepEqual(at(4, { revisionsMax: 2, bytesMax: 1e9 }), ['4/0 5/0 5/1 5/2', 6])
  assert.deepEqual(at(2, { revisionsMax: 9, bytesMax: 1 }), ['2/0', 3])
  assert.deepEqual(at(5, { revisionsMax: 9, bytesMax: 1e9 }), ['5/0 5/1 5/2 6/0', 7])
  assert.deepEqual(at(7, { revisionsMax: 9, bytesMax: 1e9 }), ['', 7])
})

test('what an event replaced', () => {
  const store = new Store()
  const [creation] = store.put({ key: bytes('a'), value: bytes('1') }).events
  const [change] = store.put({ key: bytes('a'), value: bytes('2') }).events
  const [deletion] = store.delete({ key: bytes('a') }).events
  assert.equal(previousKv(store.view, creation!), null)
  assert.equal(Buffer.from(KeyValue.decode(previousKv(store.view, change!)!).value).toString(), '1')
  assert.equal(Buffer.from(KeyValue.decode(previousKv(store.view, deletion!)!).value).toString(), '2')
  store.compact(3n)
  assert.equal(previousKv(store.view, change!), null, 'revision 2 is compacted, though not removed yet')
  assert.equal(Buffer.from(KeyValue.decode(previousKv(store.view, deletion!)!).value).toString(), '2')
})
