import type { WatchEvent } from '../apply/outcome.ts'
import { assert } from '../base/assert.ts'
import {
  encodeKeyValueField,
  type KeyValueFields,
  keyOfKeyValue,
  keyValueOfField,
  keyValueSize,
  writeKeyValue,
} from '../wire/key-value.ts'
import { varintSize, writeVarint } from '../wire/varint.ts'
import type { Position } from './meta.ts'
import { getUint32, getUint64, putUint32, putUint64 } from './uint.ts'

/**
 * One change in `history`. Layout: flags, the position of the superseded version (8 + 4) if flagged, then the encoded
 * mvccpb.Event without `prev_kv`. An event's `kv`, a range's `kvs` and a put's `prev_kv` all are field 2, so that
 * responses and watch events are made by copying these bytes.
 */
const isDelete = 1
const hasPrevious = 2
const isCreation = 4

const eventOffset = (flags: number): number => ((flags & hasPrevious) !== 0 ? 13 : 1)

export function historyKey({ main, sub }: Position): Uint8Array {
  const row = Buffer.allocUnsafe(12)
  putUint64(row, 0, main)
  putUint32(row, 8, sub)
  return row
}

export const positionOfHistory = (row: Uint8Array): Position => ({ main: getUint64(row, 0), sub: getUint32(row, 8) })

/** @param previous where the version that the put replaces stands; null if the put creates the key. */
export function encodePut(kv: KeyValueFields, previous: Position | null): Uint8Array {
  const size = keyValueSize(kv)
  const at = previous === null ? 1 : 13
  const bytes = Buffer.allocUnsafe(at + 1 + varintSize(size) + size)
  bytes[0] = previous === null ? isCreation : hasPrevious
  if (previous !== null) putPosition(bytes, previous)
  bytes[at] = 0x12
  writeKeyValue(bytes, writeVarint(bytes, at + 1, size), kv)
  return bytes
}

/** A deletion's key-value has only the key and the revision. */
export function encodeDelete(kv: KeyValueFields, previous: Position): Uint8Array {
  const field = encodeKeyValueField(kv)
  const bytes = Buffer.allocUnsafe(15 + field.length)
  bytes[0] = isDelete | hasPrevious
  putPosition(bytes, previous)
  bytes[13] = 0x08
  bytes[14] = 0x01
  bytes.set(field, 15)
  return bytes
}

export function decodeEvent(row: Uint8Array, bytes: Uint8Array): WatchEvent {
  return eventFrom(bytes, getUint64(row, 0), getUint32(row, 8), keyOfRecord(bytes))
}

/** The event of a record that was just encoded; `key` may be any copy of its key. */
export function eventFrom(bytes: Uint8Array, main: number, sub: number, key: Uint8Array): WatchEvent {
  const flags = bytes[0]!
  return {
    main,
    sub,
    type: (flags & isDelete) !== 0 ? 'delete' : 'put',
    key,
    created: (flags & isCreation) !== 0,
    previous: previousOf(bytes),
    encoded: bytes.subarray(eventOffset(flags)),
  }
}

export const isDeletion = (bytes: Uint8Array): boolean => (bytes[0]! & isDelete) !== 0

export function previousOf(bytes: Uint8Array): Position | null {
  return (bytes[0]! & hasPrevious) !== 0 ? { main: getUint64(bytes, 1), sub: getUint32(bytes, 9) } : null
}

/** The key-value as field 2, tag and length included. */
export function keyValueFieldOf(bytes: Uint8Array): Uint8Array {
  const flags = bytes[0]!
  return bytes.subarray(eventOffset(flags) + ((flags & isDelete) !== 0 ? 2 : 0))
}

export const keyOfRecord = (bytes: Uint8Array): Uint8Array => keyOfKeyValue(keyValueOfField(keyValueFieldOf(bytes)))

/** The record at a position that another record points to. @throws InvariantError if it is gone. */
export function assertRecord(bytes: Uint8Array | undefined): Uint8Array {
  assert(bytes !== undefined, 'history lacks a version that is still needed')
  return bytes
}

function putPosition(bytes: Uint8Array, { main, sub }: Position): void {
  putUint64(bytes, 1, main)
  putUint32(bytes, 9, sub)
}
