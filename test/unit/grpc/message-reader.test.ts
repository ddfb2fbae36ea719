import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Code } from '../../../src/errors.ts'
import { MessageReader } from '../../../src/grpc/message-reader.ts'
import { frameOf } from '../../support/raw-http2.ts'

function reading(bytesMax = 100_000) {
  const messages: { readonly text: string; readonly isCompressed: boolean }[] = []
  let heldBytes = 0
  let heldBytesMost = 0
  const reader = new MessageReader(bytesMax, {
    messageRead: (message, isCompressed) =>
      messages.push({ text: Buffer.from(message).toString('latin1'), isCompressed }),
    heldBytesChanged: (change) => {
      heldBytes += change
      heldBytesMost = Math.max(heldBytesMost, heldBytes)
    },
  })
  return { reader, messages, heldBytes: () => heldBytes, heldBytesMost: () => heldBytesMost }
}

test('messages come out as they went in, however they are split', () => {
  const message = fc.record({
    bytes: fc.oneof(fc.uint8Array({ maxLength: 40 }), fc.uint8Array({ minLength: 20_000, maxLength: 50_000 })),
    isCompressed: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(message, { maxLength: 8 }), fc.array(fc.integer({ min: 1, max: 30_000 })), (sent, sizes) => {
      const all = Buffer.concat(
        sent.map(({ bytes, isCompressed }) => frameOf(bytes, bytes.length, Number(isCompressed))),
      )
      const { reader, messages, heldBytes } = reading()
      let at = 0
      for (let i = 0; at < all.length; i++) {
        const end = at + (sizes[i] ?? 7919)
        const chunk = Buffer.from(all.subarray(at, end))
        reader.push(chunk)
        // Whatever comes out later must not depend on the chunk.
        chunk.fill(0xaa)
        at = end
      }
      assert.equal(reader.isWithinMessage, false)
      assert.equal(heldBytes(), 0)
      assert.deepEqual(
        messages,
        sent.map(({ bytes, isCompressed }) => ({ text: Buffer.from(bytes).toString('latin1'), isCompressed })),
      )
    }),
  )
})

test('byte by byte, also without any bytes in the message', () => {
  const { reader, messages } = reading()
  for (const byte of Buffer.concat([frameOf(Buffer.from('abc')), frameOf(Buffer.alloc(0))]))
    reader.push(Uint8Array.of(byte))
  assert.deepEqual(
    messages.map(({ text }) => text),
    ['abc', ''],
  )
})

test('a length alone takes little memory, and what is given up is given back', () => {
  const { reader, heldBytes, heldBytesMost } = reading(2 ** 21)
  reader.push(frameOf(Buffer.alloc(10), 2 ** 21))
  assert.ok(reader.isWithinMessage)
  assert.ok(heldBytesMost() <= 16 * 1024, String(heldBytesMost()))
  for (let i = 0; i < 100; i++) reader.push(Buffer.alloc(1000))
  assert.ok(heldBytesMost() <= 3 * 100_000, String(heldBytesMost()))
  reader.drop()
  assert.equal(heldBytes(), 0)
  assert.equal(reader.isWithinMessage, false)
})

for (const { name, bytes, code, message } of [
  {
    name: 'a message of one byte too many',
    bytes: frameOf(Buffer.alloc(0), 100_001),
    code: Code.ResourceExhausted,
    message: 'grpc: received message larger than max (100001 vs. 100000)',
  },
  {
    name: 'as long as can be written',
    bytes: frameOf(Buffer.alloc(0), 0xffffffff),
    code: Code.ResourceExhausted,
    message: 'grpc: received message larger than max (4294967295 vs. 100000)',
  },
  {
    name: 'a flag that is none',
    bytes: frameOf(Buffer.from('a'), 1, 2),
    code: Code.Internal,
    message: 'grpc: received unexpected payload format 2',
  },
]) {
  test(`refused: ${name}`, () => {
    assert.throws(() => reading().reader.push(bytes), { name: 'StatusError', code, message })
  })
}
