import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { noLease } from '../../../src/base/ids.ts'
import { rangeFromWire } from '../../../src/base/key-range.ts'
import { putCurrent } from '../../../src/mvcc/current-record.ts'
import { putOld } from '../../../src/mvcc/old-record.ts'
import { range } from '../../../src/mvcc/range.ts'
import { countCurrent } from '../../../src/mvcc/scan-current.ts'
import { scanAt } from '../../../src/mvcc/scan-past.ts'
import { sortInSteps } from '../../../src/mvcc/sort-in-steps.ts'
import { allAtOnce, rowsPerStep, type Steps } from '../../../src/mvcc/steps.ts'
import type { ReadView } from '../../../src/mvcc/view.ts'
import { beginMutation, put } from '../../../src/mvcc/write.ts'
import { RangeRequest, RangeRequest_SortOrder, RangeRequest_SortTarget } from '../../../src/wire/gen/rpc.ts'
import { NaiveView } from '../../support/naive-view.ts'

const keyOf = (n: number): Uint8Array => Buffer.from(`key/${String(n).padStart(6, '0')}`)
const all = rangeFromWire(Uint8Array.of(0), Uint8Array.of(0))

function countSteps<T>(steps: Steps<T>): { steps: number; held: number; result: T } {
  let held = 0
  for (let count = 0; ; count++) {
    const step = steps.next()
    if (step.done === true) return { steps: count, held, result: step.value }
    held += step.value
  }
}

test('a sort in steps is the stable sort', () => {
  const items = fc.array(fc.tuple(fc.nat(20), fc.nat()), { maxLength: 10 * rowsPerStep })
  fc.assert(
    fc.property(items, (unsorted) => {
      const byFirst = (a: [number, number], b: [number, number]): number => a[0] - b[0]
      assert.deepEqual(allAtOnce(sortInSteps(unsorted, byFirst)), unsorted.toSorted(byFirst))
    }),
    { numRuns: 100 },
  )
})

const requestOf = (more: Partial<RangeRequest>): RangeRequest => ({
  ...RangeRequest.decode(new Uint8Array(0)),
  key: Uint8Array.of(0),
  range_end: Uint8Array.of(0),
  ...more,
})

/** Each key twice, the second version in reverse order of keys. */
function viewOf(keys: number): NaiveView {
  const view = new NaiveView()
  for (let n = 0; n < keys; n++) put(beginMutation(view, n + 1), { key: keyOf(n), value: keyOf(n), lease: noLease })
  for (let n = keys - 1, at = keys + 1; n >= 0; n--, at++) {
    put(beginMutation(view, at), { key: keyOf(n), value: keyOf(keys - n), lease: noLease })
  }
  const revision = Buffer.alloc(8)
  revision.writeBigUInt64BE(BigInt(2 * keys + 1))
  view.put('meta', Buffer.from('revision'), revision)
  return view
}

const keys = 20 * rowsPerStep
const asked: Readonly<Record<string, Partial<RangeRequest>>> = {
  plain: {},
  'without values': { keys_only: true },
  descending: { sort_order: RangeRequest_SortOrder.DESCEND },
  'by value': { sort_target: RangeRequest_SortTarget.VALUE },
  'by revision, the first ones': {
    sort_target: RangeRequest_SortTarget.MOD,
    sort_order: RangeRequest_SortOrder.ASCEND,
    limit: 3n,
  },
  'in the past': { revision: BigInt(keys + 1) },
  'in the past, descending': { revision: BigInt(keys + 1), sort_order: RangeRequest_SortOrder.DESCEND },
  'in the past, only the number': { revision: BigInt(keys + 1), count_only: true },
  'before all': { revision: 1n },
  'none that fits': { min_create_revision: 1_000_000n },
}
for (const [name, request] of Object.entries(asked))
  test(`a range of many keys is read in steps: ${name}`, () => {
    const { steps, held, result } = countSteps(range(viewOf(keys), requestOf(request)))
    assert.ok(steps >= keys / rowsPerStep, `${steps} steps`)
    const answer = result.body.join()
    if (answer.length > 1000) assert.ok(held >= 0.9 * answer.length, `${held} bytes told of ${answer.length}`)
  })

test('many versions of one key are passed over in steps', () => {
  const view = new NaiveView()
  const versions = 20 * rowsPerStep
  for (let n = 0; n < versions; n++) {
    putOld(view, { key: keyOf(1), main: n + 2, sub: 0, tombstone: false })
  }
  putCurrent(view, keyOf(1), { mod: versions + 2, sub: 0, create: 2, version: versions, lease: noLease })
  const found = [...scanAt(view, all, 5)]
  assert.deepEqual(
    found.filter((version) => version !== null).map(({ mod }) => mod),
    [5],
  )
  assert.ok(found.length >= versions / rowsPerStep)
})

test('a scan of the past that is given up lets go of all that it reads', () => {
  const view = viewOf(keys)
  let open = 0
  const watched: ReadView = {
    get: (table, key) => view.get(table, key),
    count: (table, options) => view.count(table, options),
    *scan(table, options) {
      open++
      try {
        yield* view.scan(table, options)
      } finally {
        open--
      }
    },
  }
  const steps = range(watched, requestOf({ revision: BigInt(keys + 1) }))
  for (let n = 0; n < 3; n++) steps.next()
  assert.equal(open, 2)
  steps.return(undefined as never)
  assert.equal(open, 0)
})

test('a count in steps is the count', () => {
  const view = viewOf(3)
  const size = 30_000
  let calls = 0
  const large: ReadView = {
    ...view,
    get: () => undefined,
    scan: () => [],
    count: (_, { start }) => size - Number(Buffer.from(start).subarray(4).toString()),
    keyAt: (_, { start }, position) => {
      calls++
      const at = Number(Buffer.from(start).subarray(4).toString()) + position
      return at < size ? keyOf(at) : undefined
    },
  }
  const counted = countSteps(countCurrent(large, rangeFromWire(keyOf(0), Buffer.from('kez'))))
  assert.equal(counted.result, size)
  assert.equal(counted.steps, calls - 1)
  assert.ok(calls > 4)
})
