import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseTimeout } from '../../../src/grpc/grpc-timeout.ts'

for (const [text, want] of [
  ['0S', 0],
  ['1H', 3_600_000],
  ['2M', 120_000],
  ['3S', 3000],
  ['99m', 99],
  ['1500u', 2],
  ['1n', 1],
  ['99999999n', 100],
  ['00000001S', 1000],
  ['99999999S', 0x7fffffff],
  ['99999999H', 0x7fffffff],
  ['', 'transport: timeout string is too short: ""'],
  ['S', 'transport: timeout string is too short: "S"'],
  ['100000000S', 'transport: timeout string is too long: "100000000S"'],
  ['10s', 'transport: timeout unit is not recognized: "10s"'],
  ['soon', 'strconv.ParseUint: parsing "soo": invalid syntax'],
  ['-1S', 'strconv.ParseUint: parsing "-1": invalid syntax'],
  ['+1S', 'strconv.ParseUint: parsing "+1": invalid syntax'],
  ['1.5S', 'strconv.ParseUint: parsing "1.5": invalid syntax'],
  ['1 S', 'strconv.ParseUint: parsing "1 ": invalid syntax'],
  ['0x1S', 'strconv.ParseUint: parsing "0x1": invalid syntax'],
  ['1S,2s', 'transport: timeout unit is not recognized: "1S,2s"'],
] as const) {
  test(`timeout: ${JSON.stringify(text)}`, () => {
    assert.equal(parseTimeout(text), want)
  })
}
