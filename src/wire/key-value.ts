import { assert } from '../base/assert.ts'
import { emptyBytes } from '../base/bytes.ts'
import { highHalf, lowHalf, varint64Size, varintSize, writeVarint, writeVarint64 } from './varint.ts'

/** The fields of a mvccpb.KeyValue. A lease of 0 is none. */
export interface KeyValueFields {
  readonly key: Uint8Array
  readonly create: number
  readonly mod: number
  readonly version: number
  readonly value: Uint8Array
  readonly lease: bigint
}

export function keyValueSize(kv: KeyValueFields): number {
  const { key, value, create, version, lease } = kv
  let size = 1 + varintSize(kv.mod)
  if (key.length > 0) size += 1 + varintSize(key.length) + key.length
  if (create !== 0) size += 1 + varintSize(create)
  if (version !== 0) size += 1 + varintSize(version)
  if (value.length > 0) size += 1 + varintSize(value.length) + value.length
  if (lease !== 0n) size += 1 + varint64Size(highHalf(lease), lowHalf(lease))
  return size
}

/** Writes the fields in order of their numbers, zeros left out. @returns the offset after them. */
export function writeKeyValue(buffer: Uint8Array, offset: number, kv: KeyValueFields): number {
  const { key, value, lease } = kv
  let at = offset
  if (key.length > 0) {
    buffer[at] = 0x0a
    at = writeVarint(buffer, at + 1, key.length)
    buffer.set(key, at)
    at += key.length
  }
  if (kv.create !== 0) {
    buffer[at] = 0x10
    at = writeVarint(buffer, at + 1, kv.create)
  }
  buffer[at] = 0x18
  at = writeVarint(buffer, at + 1, kv.mod)
  if (kv.version !== 0) {
    buffer[at] = 0x20
    at = writeVarint(buffer, at + 1, kv.version)
  }
  if (value.length > 0) {
    buffer[at] = 0x2a
    at = writeVarint(buffer, at + 1, value.length)
    buffer.set(value, at)
    at += value.length
  }
  if (lease !== 0n) {
    buffer[at] = 0x30
    at = writeVarint64(buffer, at + 1, highHalf(lease), lowHalf(lease))
  }
  return at
}

/** A KeyValue as field 2 of a message: `kvs` of a range, `prev_kv` of a put, `kv` of an event. */
export function encodeKeyValueField(kv: KeyValueFields): Uint8Array {
  const size = keyValueSize(kv)
  const field = Buffer.allocUnsafe(1 + varintSize(size) + size)
  field[0] = 0x12
  writeKeyValue(field, writeVarint(field, 1, size), kv)
  return field
}

/** The KeyValue inside such a field. */
export function keyValueOfField(field: Uint8Array): Uint8Array {
  let at = 1
  while (field[at]! >= 0x80) at++
  return field.subarray(at + 1)
}

/**
 * Reads what `writeKeyValue` wrote. Parts of the result are views of `bytes`.
 *
 * @throws InvariantError on anything else: it comes from storage, never from a client.
 */
export function parseKeyValue(bytes: Uint8Array): KeyValueFields {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      assert(at < bytes.length && scale < 2 ** 63, 'a stored key-value is cut short')
      const byte = bytes[at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
    }
  }
  const chunk = (): Uint8Array => {
    const length = varint()
    assert(length <= bytes.length - at, 'a stored key-value is cut short')
    at += length
    return bytes.subarray(at - length, at)
  }
  let key: Uint8Array = emptyBytes
  let value: Uint8Array = emptyBytes
  let create = 0
  let mod = 0
  let version = 0
  let lease = 0n
  while (at < bytes.length) {
    const tag = bytes[at++]!
    if (tag === 0x0a) key = chunk()
    else if (tag === 0x10) create = varint()
    else if (tag === 0x18) mod = varint()
    else if (tag === 0x20) version = varint()
    else if (tag === 0x2a) value = chunk()
    else if (tag === 0x30) {
      for (let shift = 0n, more = true; more; shift += 7n) {
        assert(at < bytes.length && shift < 70n, 'a stored key-value is cut short')
        const byte = bytes[at++]!
        lease |= BigInt(byte & 0x7f) << shift
        more = byte >= 0x80
      }
      lease = BigInt.asIntN(64, lease)
    } else assert(false, 'a stored key-value has an unknown field')
  }
  return { key, create, mod, version, value, lease }
}

/** The key of a stored KeyValue, without reading the rest. */
export function keyOfKeyValue(bytes: Uint8Array): Uint8Array {
  assert(bytes[0] === 0x0a, 'a stored key-value does not begin with its key')
  let at = 1
  let length = 0
  for (let scale = 1; ; scale *= 128) {
    const byte = bytes[at++]!
    length += (byte & 0x7f) * scale
    if (byte < 0x80) break
  }
  return bytes.subarray(at, at + length)
}
