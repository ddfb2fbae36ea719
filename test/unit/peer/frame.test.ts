import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { encodeFrame, FrameReader, FrameType, FrameWriter, PeerProtocolError } from '../../../src/peer/frame.ts'

test('frames survive any way of cutting the stream', () => {
  const frames = fc.array(
    fc.record({ type: fc.constantFrom(...Object.values(FrameType)), payload: fc.uint8Array({ maxLength: 200 }) }),
  )
  fc.assert(
    fc.property(frames, fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 }), (sent, cuts) => {
      const stream = Buffer.concat(sent.map(({ type, payload }) => encodeFrame(type, payload)))
      const got: { type: number; payload: Buffer }[] = []
      const reader = new FrameReader(201, (type, payload) => got.push({ type, payload: Buffer.from(payload) }))
      for (let at = 0, i = 0; at < stream.length; i++) {
        const end = Math.min(stream.length, at + cuts[i % cuts.length]!)
        reader.push(stream.subarray(at, end))
        at = end
      }
      assert.deepEqual(
        got,
        sent.map(({ type, payload }) => ({ type, payload: Buffer.from(payload) })),
      )
    }),
  )
})

for (const { name, bytes } of [
  { name: 'length 0', bytes: Buffer.from([0, 0, 0, 0, 1]) },
  { name: 'one byte too long', bytes: Buffer.from([0, 0, 0, 102, 1]) },
  { name: 'all ones', bytes: Buffer.from([255, 255, 255, 255, 1]) },
  { name: 'an HTTP/2 preface', bytes: Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n') },
  { name: 'an HTTP/1 request', bytes: Buffer.from('GET / HTTP/1.1\r\n\r\n') },
  { name: 'a TLS record', bytes: Buffer.from([0x16, 3, 1, 2, 0, 1]) },
]) {
  test(`refused at once: ${name}`, () => {
    const reader = new FrameReader(101, () => assert.fail('no frame'))
    assert.throws(() => reader.push(bytes), PeerProtocolError)
  })
}

test('a reader that is stopped within a frame reports no more', () => {
  let frames = 0
  const reader = new FrameReader(100, () => {
    frames++
    reader.stop()
  })
  reader.push(
    Buffer.concat([encodeFrame(FrameType.Ping, Buffer.alloc(0)), encodeFrame(FrameType.Ping, Buffer.alloc(0))]),
  )
  reader.push(encodeFrame(FrameType.Ping, Buffer.alloc(0)))
  assert.equal(frames, 1)
})

test('a writer without a socket takes frames up to its bound', () => {
  const writer = new FrameWriter(1000)
  let taken = 0
  while (writer.frame(FrameType.Message, Buffer.alloc(95))) taken++
  assert.equal(taken, 10)
  assert.equal(writer.queuedBytes, 1000)
  writer.detach()
  assert.equal(writer.queuedBytes, 0)
  assert.ok(writer.frame(FrameType.Message, Buffer.alloc(995)))
})
