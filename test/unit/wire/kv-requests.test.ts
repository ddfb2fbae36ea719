import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { limits } from '../../../src/base/limits.ts'
import { EtcdError } from '../../../src/errors.ts'
import { DeleteRangeRequest, PutRequest, RangeRequest, TxnRequest } from '../../../src/wire/gen/rpc.ts'
import {
  decodeDeleteRangeRequest,
  decodePutRequest,
  decodeRangeRequest,
  decodeTxnRequest,
} from '../../../src/wire/kv-requests.ts'
import { deleteRequests, putRequests, rangeRequests, txnRequests } from '../../support/arbitrary-requests.ts'
import { bytes, nestedTxn, rangeRequest } from '../../support/commands.ts'

/** Views into buffers become text, so that deep equality compares contents only. */
const plain = (value: unknown): unknown =>
  JSON.stringify(value, (_, field) => {
    if (typeof field === 'bigint') return `${field}n`
    if (field instanceof Uint8Array) return Buffer.from(field).toString('latin1')
    return field?.type === 'Buffer' ? Buffer.from(field.data).toString('latin1') : field
  })

const int64s = fc.bigInt(-(2n ** 63n), 2n ** 63n - 1n)
const int32s = fc.integer().map((number) => number as 0)

/** Fields of every wire type that no request has. */
const unknownFields = Uint8Array.of(
  ...[0x82, 0x7d, 2, 1, 1],
  ...[0xf8, 0x7d, 0xff, 1],
  ...[0xf1, 0x7d, 1, 2, 3, 4, 5, 6, 7, 8],
  ...[0xfd, 0x7d, 1, 2, 3, 4],
)

interface Codec<T> {
  encode(message: T): { finish(): Uint8Array }
  decode(input: Uint8Array): T
}

function readsAlike<T>(
  name: string,
  codec: Codec<T>,
  decode: (input: Uint8Array) => T,
  requests: fc.Arbitrary<T>,
): void {
  test(`${name}: read as the generated decoder reads it, fields from the future included`, () => {
    fc.assert(
      fc.property(requests, (request) => {
        const encoded = codec.encode(request).finish()
        const expected = plain(codec.decode(encoded))
        assert.equal(plain(decode(encoded)), expected)
        assert.equal(plain(decode(Buffer.concat([unknownFields, encoded, unknownFields]))), expected)
      }),
    )
  })

  test(`${name}: bytes of any kind are read as the generated decoder reads them, or refused`, () => {
    const noise = fc.oneof(
      fc.uint8Array({ maxLength: 60, size: 'max' }),
      fc
        .array(fc.constantFrom(0x0a, 0x12, 0x1a, 0x18, 0x20, 0x22, 0x28, 0x09, 0, 1, 2, 3, 4, 0x7f, 0x80, 0xff), {
          maxLength: 40,
        })
        .map((list) => Uint8Array.from(list)),
      // A valid request with one byte changed.
      fc.tuple(requests, fc.nat(), fc.nat(255)).map(([request, at, byte]) => {
        const encoded = codec.encode(request).finish()
        if (encoded.length > 0) encoded[at % encoded.length] = byte
        return encoded
      }),
    )
    fc.assert(
      fc.property(noise, (input) => {
        let read: unknown
        try {
          read = decode(input)
        } catch (error) {
          assert.ok(error instanceof EtcdError && error.reason === 'invalidRequest')
          return
        }
        assert.equal(plain(read), plain(codec.decode(input)))
      }),
      { numRuns: 2000 },
    )
  })
}

const numbers = fc
  .record({ limit: int64s, revision: int64s, min_mod_revision: int64s, sort_order: int32s, sort_target: int32s })
  .map(rangeRequest)

readsAlike('range', RangeRequest, decodeRangeRequest, fc.oneof(rangeRequests, numbers))
readsAlike('put', PutRequest, decodePutRequest, putRequests)
readsAlike('delete', DeleteRangeRequest, decodeDeleteRangeRequest, deleteRequests)
readsAlike('transaction', TxnRequest, decodeTxnRequest, txnRequests)

test('transactions nested to the limit are read, deeper ones are refused by name', () => {
  assert.equal(decodeTxnRequest(nestedTxn(limits.txnDepthMax)).success.length, 1)
  // The deepest is nearly as large as a request may be.
  for (const depth of [limits.txnDepthMax + 1, 100, 5000, 130_000]) {
    assert.throws(() => decodeTxnRequest(nestedTxn(depth)), { name: 'EtcdError', reason: 'tooManyOps' })
  }
})

test('byte fields are views of the request', () => {
  const request = PutRequest.encode({ ...PutRequest.decode(new Uint8Array(0)), key: bytes('key') }).finish()
  assert.equal(decodePutRequest(request).key.buffer, request.buffer)
})
