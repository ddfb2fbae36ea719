import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { huffmanSlashesToDots } from '../../../src/grpc/huffman-slashes.ts'
import { huffman, huffmanAlphabet } from '../../support/hpack.ts'

function repaired(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  huffmanSlashesToDots(copy)
  return copy
}

test('the encoder of these tests writes what RFC 7541, C.4.1 and C.6.1 show', () => {
  assert.equal(huffman('302').toString('hex'), '6402')
  assert.equal(huffman('https://').toString('hex'), '9d29ad171863')
})

test('a slash becomes a dot at every place within a byte', () => {
  for (let before = 0; before < 8; before++) {
    const text = `${'a'.repeat(before)}/`
    assert.deepEqual(repaired(huffman(text)), huffman(text.replace('/', '.')), text)
    assert.deepEqual(repaired(huffman(`${text}a`)), huffman(`${text.replace('/', '.')}a`), text)
  }
})

test('the slashes become dots among characters of every length', () => {
  const unusual = new Set(['\\'])
  const character = fc.oneof(fc.constant('/'), fc.constantFrom(...huffmanAlphabet.filter((each) => !unusual.has(each))))
  fc.assert(
    fc.property(fc.string({ unit: character, maxLength: 40 }), (text) => {
      assert.deepEqual(repaired(huffman(text)), huffman(text.replaceAll('/', '.')))
    }),
  )
})

for (const { name, bytes } of [
  { name: 'nothing', bytes: Buffer.alloc(0) },
  { name: 'no slash', bytes: huffman('127.0.0.1:2379') },
  { name: 'only padding', bytes: Buffer.from([0xff]) },
  { name: 'the end of a string, spelled out', bytes: Buffer.from([0xff, 0xff, 0xff, 0xff]) },
  { name: 'what only looks like a slash across two codes', bytes: huffman('i0i0') },
  { name: 'a slash behind a code of more than 15 bits', bytes: huffman('\\/') },
  { name: 'a code that is cut off', bytes: Buffer.from([0xfe]) },
])
  test(`unchanged: ${name}`, () => assert.deepEqual(repaired(bytes), bytes))

test('any bytes at all: the length is kept, and nothing is written beyond the end', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 20 }), (bytes) => {
      const guarded = Buffer.concat([bytes, Buffer.from([0x63, 0x63])])
      huffmanSlashesToDots(guarded.subarray(0, bytes.length))
      assert.deepEqual(guarded.subarray(bytes.length), Buffer.from([0x63, 0x63]))
    }),
  )
})
