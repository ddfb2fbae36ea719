import assert from 'node:assert/strict'
import { test } from 'node:test'
import { repairAuthority } from '../../../src/grpc/repair-authority.ts'
import { indexed, integer, literal, literalKinds, packed, plain } from '../../support/hpack.ts'

function repaired(block: Buffer): Buffer {
  const copy = Buffer.from(block)
  repairAuthority(copy)
  return copy
}

const kinds = Object.keys(literalKinds) as (keyof typeof literalKinds)[]
const url = 'http://127.0.0.1:2379/'
const wanted = 'http:..127.0.0.1:2379.'

for (const kind of kinds)
  for (const text of [plain, packed])
    for (const [spelling, name] of [
      ['an index', 1],
      ['a plain name', plain(':authority')],
      ['a packed name', packed(':authority')],
    ] as const)
      test(`repaired: ${kind}, ${spelling}, ${text.name} value`, () => {
        const block = (value: string): Buffer =>
          Buffer.concat([
            // The table's size, twice, then fields that have nothing to do with it.
            integer(0x20, 5, 0),
            integer(0x20, 5, 4096),
            indexed(3),
            literal('indexing', 4, text('/a/ap.A/A')),
            indexed(130),
            literal(kind, name, text(value)),
            literal('indexing', plain('te'), text('tra//i')),
          ])
        assert.deepEqual(repaired(block(url)), block(wanted))
      })

test('a long value, whose length takes several bytes', () => {
  const long = (unit: string): Buffer => literal('indexing', 1, plain(unit.repeat(10_000)))
  assert.deepEqual(repaired(long('/a')), long('.a'))
})

test('each of several authorities', () => {
  const block = (value: string): Buffer => Buffer.concat([literal('indexing', 1, packed(value)), indexed(62)])
  assert.deepEqual(repaired(Buffer.concat([block(url), block(url)])), Buffer.concat([block(wanted), block(wanted)]))
})

const authority = literal('indexing', 1, plain(url))
for (const { name, block } of [
  { name: 'nothing', block: Buffer.alloc(0) },
  { name: 'a valid authority', block: literal('indexing', 1, plain('[::1]:2379')) },
  { name: 'other characters that are not allowed', block: literal('indexing', 1, plain('a b\r\n\0"\\')) },
  { name: 'the path', block: literal('indexing', 4, plain('/etcdserverpb.KV/Range')) },
  { name: 'a name that begins alike', block: literal('indexing', plain(':authority2'), plain(url)) },
  { name: 'a size of the table that looks like the index', block: Buffer.concat([integer(0x20, 5, 1), plain(url)]) },
  { name: 'an integer without an end', block: Buffer.concat([authority, Buffer.from([0xff, 0x80])]) },
  { name: 'an integer that is too large', block: Buffer.concat([authority, Buffer.from('ffffffffffffff01', 'hex')]) },
  { name: 'a value that is cut off', block: Buffer.concat([authority, authority.subarray(0, -1)]) },
  { name: 'a value that is missing', block: Buffer.concat([authority, Buffer.from([0x41])]) },
  { name: 'a name that is cut off', block: Buffer.concat([authority, Buffer.from([0x40, 0x05, 0x61])]) },
  { name: 'a name that is missing', block: Buffer.concat([authority, Buffer.from([0x40])]) },
])
  test(`unchanged: ${name}`, () => assert.deepEqual(repaired(block), block))
