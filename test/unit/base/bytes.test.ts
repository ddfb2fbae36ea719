import assert from 'node:assert/strict'
import { test } from 'node:test'
import { prefixEnd } from '../../../src/base/bytes.ts'

for (const { prefix, end } of [
  { prefix: 'a', end: 'b' },
  { prefix: 'foo/', end: 'foo0' },
  { prefix: 'a\xff\xff', end: 'b' },
  { prefix: '\xff', end: null },
  { prefix: '', end: null },
]) {
  test(`the range of the prefix ${JSON.stringify(prefix)} ends at ${JSON.stringify(end)}`, () => {
    const bytes = Buffer.from(prefix, 'latin1')
    const found = prefixEnd(bytes)
    assert.deepEqual(found === null ? null : Buffer.from(found).toString('latin1'), end)
    assert.equal(bytes.toString('latin1'), prefix, 'the prefix itself is left alone')
  })
}
