import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { covers, mergeRanges } from '../../../src/auth/intervals.ts'
import { compareBytes } from '../../../src/base/bytes.ts'
import { isEmptyRange, type KeyRange, rangeContains, rangeFromWire } from '../../../src/base/key-range.ts'

/** `[a,c)`, `[a,)` to the end, `a` a single key. */
function parse(text: string): KeyRange {
  const match = /^\[(.+),(.*)\)$/.exec(text)
  if (match === null) return rangeFromWire(Buffer.from(text), Buffer.alloc(0))
  return rangeFromWire(Buffer.from(match[1]!), match[2] === '' ? Buffer.of(0) : Buffer.from(match[2]!))
}
const parseAll = (text: string): KeyRange[] => text.split(' ').filter(Boolean).map(parse)

for (const { name, granted, asked, want } of [
  { name: 'nothing granted', granted: '', asked: 'a', want: false },
  { name: 'a key', granted: 'a', asked: 'a', want: true },
  { name: 'a longer key is another one', granted: 'a', asked: 'aa', want: false },
  { name: 'a key is not the range from it', granted: 'a', asked: '[a,)', want: false },
  { name: 'a key in a range', granted: '[a,c)', asked: 'b', want: true },
  { name: 'the end is exclusive', granted: '[a,c)', asked: '[c,d)', want: false },
  { name: 'adjacent grants combine', granted: '[a,c) [c,e)', asked: '[a,e)', want: true },
  { name: 'in any order', granted: '[c,e) [a,c)', asked: '[b,d)', want: true },
  { name: 'a gap denies', granted: '[a,b) [c,e)', asked: '[a,e)', want: false },
  { name: 'a key fills a gap of one', granted: '[a,b) b [b\x00,e)', asked: '[a,e)', want: true },
  { name: 'to the end', granted: '[b,)', asked: '[c,)', want: true },
  { name: 'not to the end', granted: '[b,z)', asked: '[c,)', want: false },
  { name: 'a short grant does not shorten a long one', granted: '[a,z) [b,c)', asked: '[a,y)', want: true },
  { name: 'an inverted grant is none', granted: '[c,a)', asked: 'b', want: false },
  { name: 'an inverted question is refused', granted: '[a,z)', asked: '[c,b)', want: false },
]) {
  test(`covers: ${name}`, () => assert.equal(covers(mergeRanges(parseAll(granted)), parse(asked)), want))
}

const key = fc.uint8Array({ minLength: 1, maxLength: 3, max: 3 })
const rangeEnd = fc.oneof(key, fc.constant(new Uint8Array(0)), fc.constant(Uint8Array.of(0)))
const range = fc.tuple(key, rangeEnd).map(([start, end]) => rangeFromWire(start, end))

/** Every key of up to three bytes from 0 to 3, and one that is greater than all of them. */
const allKeys: readonly Uint8Array[] = (() => {
  const keys: Uint8Array[] = [Uint8Array.of(0xff)]
  const add = (prefix: readonly number[]): void => {
    // One byte more than the bounds have, so that the space between two neighbours is looked at.
    for (let byte = 0; byte < 4; byte++) {
      keys.push(Uint8Array.of(...prefix, byte))
      if (prefix.length < 3) add([...prefix, byte])
    }
  }
  add([])
  return keys.sort(compareBytes)
})()

test('what is covered is what every key of it is granted', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 8 }), range, (granted, asked) => {
      const isGranted = (one: Uint8Array): boolean => granted.some((each) => rangeContains(each, one))
      const slow = !isEmptyRange(asked) && allKeys.filter((one) => rangeContains(asked, one)).every(isGranted)
      assert.equal(covers(mergeRanges(granted), asked), slow)
    }),
    { numRuns: 3000 },
  )
})

test('merged intervals are sorted and neither overlap nor touch', () => {
  fc.assert(
    fc.property(fc.array(range, { maxLength: 12 }), (granted) => {
      const merged = mergeRanges(granted)
      for (const [i, { start, end }] of merged.entries()) {
        assert.ok(end === null || compareBytes(start, end) < 0)
        const next = merged[i + 1]
        if (next !== undefined) assert.ok(end !== null && compareBytes(end, next.start) < 0)
      }
    }),
  )
})
