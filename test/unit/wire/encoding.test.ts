import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { clusterId, leaseId, memberId } from '../../../src/base/ids.ts'
import { ByteReader } from '../../../src/wire/byte-reader.ts'
import { type DecodedCommand, decodeCommand, encodeCommand } from '../../../src/wire/command.ts'
import { Command } from '../../../src/wire/gen/internal.ts'
import { KeyValue } from '../../../src/wire/gen/kv.ts'
import { LeaseGrantResponse, PutResponse } from '../../../src/wire/gen/rpc.ts'
import { encodeHeader } from '../../../src/wire/header.ts'
import { encodeKeyValueField, keyOfKeyValue, keyValueOfField, parseKeyValue } from '../../../src/wire/key-value.ts'
import { leaseGrantBody } from '../../../src/wire/responses.ts'
import { varint64Size, varintSize, writeVarint, writeVarint64 } from '../../../src/wire/varint.ts'

const uint64 = fc.bigInt(0n, 2n ** 64n - 1n)
const safe = fc.oneof(
  fc.nat(),
  fc.maxSafeNat(),
  fc.constantFrom(0, 127, 128, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 2 ** 53 - 1),
)
const data = fc.uint8Array({ maxLength: 300, size: 'max' })

test('varints of safe integers and of 64-bit halves read back, in the size announced', () => {
  fc.assert(
    fc.property(safe, uint64, (number, big) => {
      const buffer = new Uint8Array(20)
      assert.equal(writeVarint(buffer, 0, number), varintSize(number))
      assert.equal(new ByteReader(buffer).varint(), number)
      const [high, low] = [Number(big >> 32n), Number(big & 0xffffffffn)]
      const size = writeVarint64(buffer, 0, high, low)
      assert.equal(size, varint64Size(high, low))
      assert.equal(BigInt.asUintN(64, new ByteReader(buffer.subarray(0, size)).int64()), big)
    }),
  )
})

test('the header is the one that the generated encoder makes', () => {
  fc.assert(
    fc.property(uint64, uint64, safe, safe, (cluster, member, revision, term) => {
      const expected = PutResponse.encode({
        header: { cluster_id: cluster, member_id: member, revision: BigInt(revision), raft_term: BigInt(term) },
        prev_kv: undefined,
      }).finish()
      const actual = encodeHeader(clusterId(cluster), memberId(member), revision, term)
      assert.deepEqual(Buffer.from(actual), Buffer.from(expected))
      assert.deepEqual(
        Buffer.from(encodeHeader(clusterId(cluster), memberId(member), revision, term)),
        Buffer.from(actual),
      )
    }),
  )
})

test('key-values are encoded as the generated encoder does, and read back', () => {
  const nonEmpty = fc.uint8Array({ minLength: 1, maxLength: 300, size: 'max' })
  fc.assert(
    fc.property(nonEmpty, data, safe, safe, safe, uint64, (key, value, create, mod, version, id) => {
      fc.pre(mod > 0)
      const lease = leaseId(id)
      const field = encodeKeyValueField({ key, value, create, mod, version, lease })
      const expected = PutResponse.encode({
        header: undefined,
        prev_kv: {
          key,
          value,
          create_revision: BigInt(create),
          mod_revision: BigInt(mod),
          version: BigInt(version),
          lease,
        },
      }).finish()
      assert.deepEqual(Buffer.from(field), Buffer.from(expected))
      const stored = Uint8Array.from(keyValueOfField(field))
      assert.deepEqual(parseKeyValue(stored), { key, value, create, mod, version, lease })
      assert.deepEqual(keyOfKeyValue(stored), key)
      assert.equal(KeyValue.decode(stored).mod_revision, BigInt(mod))
    }),
  )
})

/** Bytes as they compare, whatever array they came in. */
const plain = ({ caller, ...rest }: DecodedCommand): DecodedCommand => ({
  ...rest,
  request: Buffer.from(rest.request),
  caller: { ...caller, tokenIds: caller.tokenIds.map((id) => Uint8Array.from(id)) },
})

test('commands are read as the generated decoder reads them', () => {
  const callers = fc.record(
    {
      userId: safe,
      tokenRevision: safe,
      byMember: fc.boolean(),
      tokenIds: fc.array(fc.constantFrom(...[1, 2, 3].map((byte) => new Uint8Array(32).fill(byte))), { maxLength: 3 }),
      tokenIssuedMs: safe,
      groups: fc.array(fc.string({ unit: 'grapheme' }), { maxLength: 3 }),
    },
    { noNullPrototype: true },
  )
  fc.assert(
    fc.property(uint64, uint64, fc.nat(9), data, callers, (id, member, kind, request, caller) => {
      const command = Command.encode({
        proposal_id: id,
        member_id: member,
        kind: kind as 0,
        request,
        user_id: BigInt(caller.userId),
        token_revision: BigInt(caller.tokenRevision),
        by_member: caller.byMember,
        token_ids: caller.tokenIds,
        token_issued_ms: BigInt(caller.tokenIssuedMs),
        groups: caller.groups,
      }).finish()
      const decoded = plain(decodeCommand(command))
      assert.deepEqual(decoded, { proposalId: id, proposer: member, kind, request: Buffer.from(request), caller })
      const own = encodeCommand(id, member, kind as 0, request, caller)
      // Zero fields are written here and left out there: compare what is read, in one encoding.
      assert.deepEqual(Command.encode(Command.decode(own)).finish(), command)
      assert.deepEqual(plain(decodeCommand(own)), decoded)
      assert.equal(Buffer.compare(decodeCommand(own).request, request), 0)
    }),
  )
})

test('the body of a lease grant', () => {
  const { ID, TTL } = LeaseGrantResponse.decode(leaseGrantBody(leaseId(2n ** 62n), 60))
  assert.deepEqual([ID, TTL], [2n ** 62n, 60n])
})
