import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { type KeyRange, pointRange, rangeContains } from '../../../src/base/key-range.ts'
import { WatchIndex } from '../../../src/service/watch-index.ts'

const key = fc.uint8Array({ max: 3, maxLength: 3 })
const range: fc.Arbitrary<KeyRange> = fc.oneof(
  key.map(pointRange),
  fc.record({ start: key, end: fc.option(key, { nil: null }), isPoint: fc.constant(false) }),
)
const name = ({ start, end, isPoint }: KeyRange): string =>
  `${isPoint ? 'point' : 'range'} ${Buffer.from(start).toString('hex')} ${end === null ? '-' : Buffer.from(end).toString('hex')}`

test('finds exactly the ranges that contain a key, however they came and went', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), range, key), { maxLength: 60 }), (steps) => {
      const index = new WatchIndex<string>()
      const naive = new Map<string, KeyRange>()
      for (const [adds, one, asked] of steps) {
        const id = name(one)
        assert.equal(index.get(one), naive.has(id) ? id : undefined)
        if (adds && !naive.has(id)) {
          index.add(one, id)
          naive.set(id, one)
        } else if (!adds) {
          index.remove(one)
          naive.delete(id)
        }
        const found: string[] = []
        index.match(asked, (id) => found.push(id))
        const want = [...naive].filter(([, other]) => rangeContains(other, asked)).map(([id]) => id)
        assert.deepEqual(found.sort(), want.sort())
        assert.equal(index.isEmpty, naive.size === 0)
      }
    }),
    { numRuns: 300 },
  )
})
