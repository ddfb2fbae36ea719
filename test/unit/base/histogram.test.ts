import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Histogram } from '../../../src/base/histogram.ts'

for (const { value, bucket } of [
  { value: -1, bucket: 0 },
  { value: 1, bucket: 0 },
  { value: 1.0001, bucket: 1 },
  { value: 2, bucket: 1 },
  { value: 4, bucket: 2 },
  { value: 4.1, bucket: 3 },
  { value: Number.POSITIVE_INFINITY, bucket: 3 },
])
  test(`histogram: ${value} falls into bucket ${bucket} of 1, 2, 4 and more`, () => {
    const histogram = new Histogram([1, 2, 4])
    histogram.observe(value)
    assert.deepEqual(
      [...histogram.counts],
      [0, 1, 2, 3].map((each) => Number(each === bucket)),
    )
    assert.equal(histogram.sum, value)
  })

test('histogram: what one counts in shared memory the other sees', () => {
  const memory = new SharedArrayBuffer(8 * Histogram.cellsOf([1]))
  const counting = new Histogram([1], new Float64Array(memory))
  const reading = new Histogram([1], new Float64Array(memory))
  for (const value of [0.5, 0.25, 3]) counting.observe(value)
  assert.deepEqual([...reading.counts], [2, 1])
  assert.equal(reading.sum, 3.75)
})
