import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BinaryReader } from '@bufbuild/protobuf/wire'
import fc from 'fast-check'
import { StrictReader } from '../../../src/service/strict-reader.ts'
import { TxnRequest, WatchRequest } from '../../../src/wire/gen/rpc.ts'
import { txnRequests } from '../../support/arbitrary-requests.ts'

function strictly<T>(type: { decode(reader: BinaryReader): T }, bytes: Uint8Array): T {
  const reader = new StrictReader(bytes)
  const message = type.decode(reader)
  reader.finish()
  return message
}

for (const { name, bytes } of [
  { name: 'an end-group tag at the end', bytes: [0x1a, 0x00, 0x5c] },
  { name: 'a zero tag', bytes: [0x1a, 0x00, 0x00] },
  { name: 'an end-group tag in a message that is too long', bytes: [0x0a, 0x7f, 0x5c] },
  { name: 'a zero tag in the middle of an inner message', bytes: [0x0a, 0x03, 0x00, 0x1a, 0x00] },
  { name: 'a group', bytes: [0xa3, 0x06, 0xa4, 0x06] },
  { name: 'a wire type that there is not', bytes: [0x0a, 0x02, 0x1e, 0x00] },
  { name: 'bytes longer than the message they are in', bytes: [0x0a, 0x02, 0x0a, 0x02, 0x61, 0x62] },
  { name: 'a number longer than the message it is in', bytes: [0x0a, 0x02, 0x18, 0x80, 0x01] },
  { name: 'an unknown field longer than the message it is in', bytes: [0x0a, 0x03, 0xa2, 0x06, 0x02, 0x68, 0x69] },
  { name: 'a message cut short', bytes: [0x0a, 0x02, 0x18] },
]) {
  test(`refused: ${name}`, () => assert.throws(() => strictly(WatchRequest, Uint8Array.from(bytes))))
}

test('unknown fields of every kind are passed over', () => {
  const unknown = [
    0xa2, 0x06, 0x02, 0x68, 0x69, 0xa0, 0x06, 0x01, 0xa1, 0x06, 1, 2, 3, 4, 5, 6, 7, 8, 0xa5, 0x06, 1, 2, 3, 4,
  ]
  const bytes = Uint8Array.from([...unknown, 0x12, unknown.length + 2, ...unknown, 0x08, 0x07, ...unknown])
  assert.deepEqual(strictly(WatchRequest, bytes).request_union, { $case: 'cancel_request', value: { watch_id: 7n } })
})

test('packed enums are read', () => {
  const bytes = Uint8Array.of(0x0a, 0x08, 0x0a, 0x01, 0x61, 0x2a, 0x03, 0x00, 0x01, 0x04)
  const { request_union: request } = strictly(WatchRequest, bytes)
  assert.deepEqual(request?.$case === 'create_request' && request.value.filters, [0, 1, 4])
})

test('what was encoded is read as by the plain reader', () => {
  fc.assert(
    fc.property(txnRequests, (txn) => {
      const bytes = TxnRequest.encode(txn).finish()
      assert.deepEqual(strictly(TxnRequest, bytes), TxnRequest.decode(new BinaryReader(bytes)))
    }),
  )
})
