import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseRangeSpec, RangeSpecError, rangeSpecOf, wireRangeOf } from '../../../src/auth/range-spec.ts'
import { isEmptyRange, rangeFromWire } from '../../../src/base/key-range.ts'
import { hex } from '../../support/hex.ts'

const shown = (value: unknown): string => {
  const { start, end, isPoint } = parseRangeSpec(value)
  return `${hex(start)} ${end === null ? 'end' : hex(end)}${isPoint ? ' point' : ''}`
}

for (const [spec, want] of [
  [{ key: 'ab' }, '6162 616200 point'],
  [{ prefix: 'ab' }, '6162 6163'],
  [{ prefix: '/w4=', encoding: 'base64' }, 'ff0e ff0f'],
  [{ prefix: '/w==', encoding: 'base64' }, 'ff end'],
  [{ from: 'a', to: 'c' }, '61 63'],
  [{ from: 'a' }, '61 end'],
  [{ all: true }, '00 end'],
  [{ key: 'é', encoding: 'utf8' }, 'c3a9 c3a900 point'],
] as const) {
  test(`the range of ${JSON.stringify(spec)}`, () => assert.equal(shown(spec), want))
}

for (const [spec, why] of [
  [null, /is an object/],
  [[], /is an object/],
  ['a', /is an object/],
  [{}, /needs key, prefix, from or all/],
  [{ to: 'a' }, /needs key, prefix, from or all/],
  [{ key: 'a', prefix: 'a' }, /not key and prefix/],
  [{ prefix: 'a', to: 'b' }, /to goes with from/],
  [{ key: 'a', kye: 'b' }, /has no "kye"/],
  [{ key: '' }, /key is empty/],
  [{ prefix: '' }, /prefix is empty: for all keys say all/],
  [{ from: 'a', to: '' }, /to is empty/],
  [{ from: 'b', to: 'a' }, /no key in it/],
  [{ from: 'b', to: 'b' }, /no key in it/],
  [{ all: false }, /can only be true/],
  [{ key: 7 }, /key is not text/],
  [{ key: 'a', encoding: 'hex' }, /utf8 or base64/],
  [{ key: 'a', encoding: 'base64' }, /not base64/],
] as const) {
  test(`no range: ${JSON.stringify(spec)}`, () => {
    assert.throws(() => parseRangeSpec(spec), { name: 'RangeSpecError', message: why })
    assert.ok(new RangeSpecError('') instanceof Error)
  })
}

test('whatever range there is can be written, and read as the same', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 4 }),
    fc.array(fc.constantFrom(0, 0x61, 0xfe, 0xff), { minLength: 1, maxLength: 3 }).map((list) => Uint8Array.from(list)),
    fc.string({ minLength: 1, maxLength: 4, unit: 'grapheme' }).map((text) => new Uint8Array(Buffer.from(text))),
  )
  fc.assert(
    fc.property(bytes, fc.oneof(fc.constant(new Uint8Array(0)), bytes), (key, rangeEnd) => {
      const range = rangeFromWire(key, rangeEnd)
      fc.pre(!isEmptyRange(range))
      const again = parseRangeSpec(JSON.parse(JSON.stringify(rangeSpecOf(range))))
      assert.equal(hex(again.start), hex(range.start))
      assert.equal(again.end === null, range.end === null)
      if (again.end !== null) assert.equal(hex(again.end), hex(range.end!))
      const wire = wireRangeOf(again)
      const back = rangeFromWire(wire.key, wire.range_end)
      assert.deepEqual([hex(back.start), back.end && hex(back.end)], [hex(range.start), range.end && hex(range.end)])
    }),
    { numRuns: 2000 },
  )
})
