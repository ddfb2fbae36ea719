import type { Revision } from '../base/ids.ts'
import { isLongOldKey, oldKey, oldMainOffset, userKeyOfOld } from './key-encoding.ts'
import { getUint32, getUint64, putUint32 } from './uint.ts'
import type { WriteView } from './view.ts'

/** A version that is not the newest of a live key: superseded, or the mark of a deletion. */
export interface OldVersion {
  readonly key: Uint8Array
  readonly main: Revision
  readonly sub: number
  readonly tombstone: boolean
}

// Value: flags, sub (4), then the whole user key if the row is in the long form.
const isTombstone = 1
const fixedBytes = 5

export function decodeOld(row: Uint8Array, bytes: Uint8Array): OldVersion {
  return {
    key: isLongOldKey(row) ? bytes.subarray(fixedBytes) : userKeyOfOld(row),
    main: getUint64(row, oldMainOffset(row)),
    sub: getUint32(bytes, 1),
    tombstone: (bytes[0]! & isTombstone) !== 0,
  }
}

export function putOld(view: WriteView, { key, main, sub, tombstone }: OldVersion): void {
  const row = oldKey(key, main)
  const long = isLongOldKey(row)
  const bytes = Buffer.allocUnsafe(fixedBytes + (long ? key.length : 0))
  bytes[0] = tombstone ? isTombstone : 0
  putUint32(bytes, 1, sub)
  if (long) bytes.set(key, fixedBytes)
  view.put('old', row, bytes)
}

export const removeOld = (view: WriteView, key: Uint8Array, main: Revision): void =>
  view.remove('old', oldKey(key, main))
