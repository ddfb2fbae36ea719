import { assert } from '../base/assert.ts'
import { equalBytes } from '../base/bytes.ts'
import { type LeaseId, leaseId, noLease, type Revision } from '../base/ids.ts'
import { currentKey, isLongCurrentKey } from './key-encoding.ts'
import { getId, getUint32, getUint64, putId, putUint32, putUint64 } from './uint.ts'
import type { ReadView, WriteView } from './view.ts'

/** The newest version of a live key, without its value. */
export interface CurrentRecord {
  /** Position of the version in `history`. */
  readonly mod: Revision
  readonly sub: number
  readonly create: Revision
  readonly version: number
  readonly lease: LeaseId
}

// Layout: flags, mod (8), sub (4), create (8), version (8), then lease (8) if flagged, then the whole user key if long.
const hasLease = 1
const hasKey = 2
const fixedBytes = 29

export function decodeCurrent(bytes: Uint8Array): CurrentRecord {
  return {
    mod: getUint64(bytes, 1),
    sub: getUint32(bytes, 9),
    create: getUint64(bytes, 13),
    version: getUint64(bytes, 21),
    lease: (bytes[0]! & hasLease) !== 0 ? leaseId(getId(bytes, fixedBytes)) : noLease,
  }
}

export const modOfCurrent = (bytes: Uint8Array): Revision => getUint64(bytes, 1)

/** The `history` key of the version, cut from the record. */
export const historyKeyOfCurrent = (bytes: Uint8Array): Uint8Array => bytes.subarray(1, 13)

/** The user key of a row in the long form. */
export const userKeyOfCurrent = (bytes: Uint8Array): Uint8Array =>
  bytes.subarray(fixedBytes + ((bytes[0]! & hasLease) !== 0 ? 8 : 0))

/** The encoded record of `key`, or undefined if there is no such live key. */
export function getCurrentBytes(view: ReadView, key: Uint8Array): Uint8Array | undefined {
  const row = currentKey(key)
  const bytes = view.get('current', row)
  if (bytes !== undefined && isLongCurrentKey(row)) {
    assert(equalBytes(userKeyOfCurrent(bytes), key), 'two long keys share one hash')
  }
  return bytes
}

export function getCurrent(view: ReadView, key: Uint8Array): CurrentRecord | undefined {
  const bytes = getCurrentBytes(view, key)
  return bytes === undefined ? undefined : decodeCurrent(bytes)
}

export function putCurrent(view: WriteView, key: Uint8Array, record: CurrentRecord): void {
  const row = currentKey(key)
  const long = isLongCurrentKey(row)
  const leased = record.lease !== noLease
  const keyAt = fixedBytes + (leased ? 8 : 0)
  const bytes = Buffer.allocUnsafe(keyAt + (long ? key.length : 0))
  bytes[0] = (leased ? hasLease : 0) | (long ? hasKey : 0)
  putUint64(bytes, 1, record.mod)
  putUint32(bytes, 9, record.sub)
  putUint64(bytes, 13, record.create)
  putUint64(bytes, 21, record.version)
  if (leased) putId(bytes, fixedBytes, record.lease)
  if (long) bytes.set(key, keyAt)
  view.put('current', row, bytes)
}

export const removeCurrent = (view: WriteView, key: Uint8Array): void => view.remove('current', currentKey(key))
