import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Code } from '../../../src/errors.ts'
import { encodeDetails, okStatus, trailersOf } from '../../../src/grpc/status.ts'

for (const [details, want] of [
  ['', ''],
  ['etcdserver: no leader', 'etcdserver: no leader'],
  ['100 % sure', '100 %25 sure'],
  ['line\nbreak\0', 'line%0Abreak%00'],
  ['schlüssel €', 'schl%C3%BCssel %E2%82%AC'],
  [' outer ', '%20outer%20'],
  ['~!"', '~!"'],
] as const) {
  test(`details: ${JSON.stringify(details)}`, () => {
    assert.equal(encodeDetails(details), want)
  })
}

test('details are read as they were written, and are always fit for a header', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (details) => {
      const encoded = encodeDetails(details)
      assert.match(encoded, /^(?:[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)?$/)
      assert.equal(decodeURIComponent(encoded), details)
    }),
  )
})

test('a call that went well has no details', () => {
  assert.deepEqual(trailersOf(okStatus), { 'grpc-status': '0' })
  assert.deepEqual(trailersOf({ code: Code.Unknown, details: '%' }), { 'grpc-status': '2', 'grpc-message': '%25' })
})
