import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { limits } from '../../../src/base/limits.ts'
import { AuthorityFilter } from '../../../src/grpc/authority-filter.ts'
import {
  frameFlags,
  frameTypes,
  http2Frame,
  http2Preface,
  indexed,
  literal,
  packed,
  plain,
} from '../../support/hpack.ts'

const { headers, continuation, data, ping, settings } = frameTypes
const { endHeaders, padded, priority } = frameFlags

/** What comes out when `bytes` come in pieces that end at `ends`. */
function filtered(bytes: Buffer, ends: readonly number[] = []): Buffer {
  const filter = new AuthorityFilter()
  const pieces: Buffer[] = []
  let from = 0
  for (const to of [...ends, bytes.length]) {
    pieces.push(filter.push(Buffer.from(bytes.subarray(from, to))))
    from = to
  }
  return Buffer.concat([...pieces, filter.end()])
}

const url = 'http://127.0.0.1:2379'
const wanted = 'http:..127.0.0.1:2379'
const block = (authority: string): Buffer =>
  Buffer.concat([
    indexed(3),
    literal('indexing', 4, plain('/a/b')),
    literal('indexing', 1, packed(authority)),
    literal('indexing', plain('te'), plain('//')),
  ])
const opening = Buffer.concat([http2Preface, http2Frame(settings, 0, 0, Buffer.alloc(12, '/'))])
const closing = Buffer.concat([
  http2Frame(data, 0, 1, block(url)),
  http2Frame(ping, 0, 0, Buffer.from('////////')),
  http2Frame(headers, endHeaders, 3, indexed(62)),
])
const priorityBytes = Buffer.from('800000010f', 'hex')
const padding = Buffer.alloc(7)

/** A header block of `parts` parts, the first in HEADERS and each other in a CONTINUATION. */
function inParts(bytes: Buffer, cuts: readonly number[]): Buffer {
  const ends = [...cuts, bytes.length]
  return Buffer.concat(
    ends.map((to, index) => {
      const flags = index === ends.length - 1 ? endHeaders : 0
      return http2Frame(index === 0 ? headers : continuation, flags, 1, bytes.subarray(ends[index - 1] ?? 0, to))
    }),
  )
}

const repairs: readonly { readonly name: string; readonly frames: (authority: string) => Buffer }[] = [
  { name: 'one HEADERS frame', frames: (text) => http2Frame(headers, endHeaders, 1, block(text)) },
  {
    name: 'padding',
    frames: (text) =>
      http2Frame(headers, endHeaders | padded, 1, Buffer.concat([Buffer.from([7]), block(text), padding])),
  },
  {
    name: 'priority',
    frames: (text) => http2Frame(headers, endHeaders | priority, 1, Buffer.concat([priorityBytes, block(text)])),
  },
  {
    name: 'padding, priority and CONTINUATION',
    frames: (text) => {
      const first = Buffer.concat([Buffer.from([7]), priorityBytes, block(text).subarray(0, 12), padding])
      return Buffer.concat([
        http2Frame(headers, padded | priority, 1, first),
        http2Frame(continuation, endHeaders, 1, block(text).subarray(12)),
      ])
    },
  },
  { name: 'empty CONTINUATIONs around', frames: (text) => inParts(block(text), [0, 0, 14, 14, block(text).length]) },
  { name: 'a CONTINUATION for each byte', frames: (text) => inParts(block(text), [...block(text).keys()]) },
  {
    name: 'as long as is held',
    frames: (text) => {
      const bytes = Buffer.concat([block(text), literal('indexing', plain('x'), plain('/'.repeat(32_000)))])
      return inParts(Buffer.concat([bytes, Buffer.alloc(32_768 - bytes.length, indexed(3))]), [16_384])
    },
  },
]

for (const { name, frames } of repairs) {
  const whole = (authority: string): Buffer => Buffer.concat([opening, frames(authority), closing, frames(authority)])

  test(`repaired: ${name}`, () => assert.deepEqual(filtered(whole(url)), whole(wanted)))

  test(`repaired, cut in two anywhere: ${name}`, () => {
    const bytes = whole(url)
    // Of the long ones only the beginning and the end.
    for (let cut = 0; cut <= bytes.length; cut += cut === 500 ? Math.max(1, bytes.length - 1000) : 1)
      assert.deepEqual(filtered(bytes, [cut]), whole(wanted), `cut at ${cut}`)
  })
}

test('repaired, byte by byte', () => {
  const whole = (authority: string): Buffer =>
    Buffer.concat([opening, ...repairs.slice(0, 6).map(({ frames }) => frames(authority)), closing])
  const bytes = whole(url)
  assert.deepEqual(filtered(bytes, [...bytes.keys()]), whole(wanted))
})

const tooLong = Buffer.concat([block(url), Buffer.alloc(limits.heldHeaderBytesMax, indexed(3))])
for (const { name, frames } of [
  {
    name: 'more padding than frame',
    frames: http2Frame(headers, endHeaders | padded, 1, Buffer.concat([Buffer.from([255]), block(url)])),
  },
  { name: 'padding of an empty frame', frames: http2Frame(headers, endHeaders | padded, 1, Buffer.alloc(0)) },
  { name: 'priority of a short frame', frames: http2Frame(headers, endHeaders | priority, 1, Buffer.alloc(4)) },
  { name: 'an empty block', frames: http2Frame(headers, endHeaders, 1, Buffer.alloc(0)) },
  {
    name: 'a frame longer than allowed',
    frames: http2Frame(headers, endHeaders, 1, Buffer.concat([block(url), Buffer.alloc(16_384)])),
  },
  { name: 'a block that is longer than held', frames: inParts(tooLong, [16_000, 32_000]) },
  { name: 'a CONTINUATION without HEADERS', frames: http2Frame(continuation, endHeaders, 1, block(url)) },
  {
    name: 'a CONTINUATION of another stream',
    frames: Buffer.concat([http2Frame(headers, 0, 1, block(url)), http2Frame(continuation, endHeaders, 3, block(url))]),
  },
  {
    name: 'another frame before the block is complete',
    frames: Buffer.concat([http2Frame(headers, 0, 1, block(url)), http2Frame(ping, 0, 0, Buffer.alloc(8))]),
  },
  { name: 'a block that never becomes complete', frames: http2Frame(headers, 0, 1, block(url)) },
  {
    name: 'a frame that never becomes complete',
    frames: http2Frame(headers, endHeaders, 1, block(url)).subarray(0, -1),
  },
  { name: 'a header that never becomes complete', frames: Buffer.from([0, 0, 9, 1]) },
]) {
  test(`unchanged: ${name}`, () => {
    const bytes = Buffer.concat([opening, frames])
    assert.deepEqual(filtered(bytes), bytes)
    for (let cut = opening.length; cut < Math.min(bytes.length, 500); cut++)
      assert.deepEqual(filtered(bytes, [cut]), bytes, `cut at ${cut}`)
  })
}

test('after something that is left alone the next request is repaired', () => {
  const good = (authority: string): Buffer => http2Frame(headers, endHeaders, 5, block(authority))
  const bytes = Buffer.concat([opening, inParts(tooLong, [16_000, 32_000])])
  assert.deepEqual(filtered(Buffer.concat([bytes, good(url)])), Buffer.concat([bytes, good(wanted)]))
})

test('nothing is held back but incomplete headers', () => {
  const filter = new AuthorityFilter()
  const passed = (bytes: Buffer): number => filter.push(Buffer.from(bytes)).length
  assert.equal(passed(http2Preface.subarray(0, 5)), 5)
  assert.equal(passed(http2Preface.subarray(5)), http2Preface.length - 5)
  const long = http2Frame(data, 0, 1, Buffer.alloc(10_000))
  assert.equal(passed(long.subarray(0, 20)), 20)
  assert.equal(passed(long.subarray(20)), long.length - 20)
  const request = http2Frame(headers, endHeaders, 1, block(url))
  assert.equal(passed(Buffer.concat([long, request.subarray(0, -1)])), long.length)
  assert.equal(passed(request.subarray(-1)), request.length)
})

test('however long a block is, little of it is held', () => {
  const filter = new AuthorityFilter()
  let held = 0
  let heldMost = 0
  const send = (bytes: Buffer): void => {
    held += bytes.length - filter.push(Buffer.from(bytes)).length
    heldMost = Math.max(heldMost, held)
  }
  send(opening)
  send(http2Frame(headers, 0, 1, block(url)))
  for (let sent = 0; sent < 1_000_000; sent += 1000) send(http2Frame(continuation, 0, 1, Buffer.alloc(1000)))
  assert.ok(heldMost > 1000 && heldMost <= limits.heldHeaderBytesMax, String(heldMost))
  assert.equal(held, 0)
})

test('any bytes at all come out in the same number, however they are cut', () => {
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.constantFrom(...repairs.slice(0, 6).map(({ frames }) => frames(url))),
    fc
      .record({
        type: fc.constantFrom(0, 1, 1, 9, 9, 6),
        flags: fc.nat(255),
        stream: fc.constantFrom(1, 3),
        payload: fc.uint8Array({ maxLength: 40 }),
      })
      .map(({ type, flags, stream, payload }) => http2Frame(type, flags, stream, payload)),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.array(fc.nat(800), { maxLength: 8 }), (parts, cuts) => {
      const bytes = Buffer.concat([http2Preface, ...parts])
      const ends = cuts.filter((cut) => cut <= bytes.length).sort((a, b) => a - b)
      const whole = filtered(bytes)
      assert.equal(whole.length, bytes.length)
      assert.deepEqual(filtered(bytes, ends), whole)
    }),
  )
})
