import { compareBytes } from '../base/bytes.ts'
import type { LeaseId } from '../base/ids.ts'
import { keyPrefixBytes, leaseKeyKey } from './key-encoding.ts'
import { inKeyOrder, type RowForm } from './long-key-groups.ts'
import { idKey } from './uint.ts'
import type { ReadView, WriteView } from './view.ts'

// Value: one byte, then the whole user key if the row is in the long form.

export function attach(view: WriteView, lease: LeaseId, key: Uint8Array): void {
  const row = leaseKeyKey(lease, key)
  const bytes = new Uint8Array(isLong(row) ? 1 + key.length : 1)
  if (isLong(row)) bytes.set(key, 1)
  view.put('leaseKeys', row, bytes)
}

export const detach = (view: WriteView, lease: LeaseId, key: Uint8Array): void =>
  view.remove('leaseKeys', leaseKeyKey(lease, key))

/** User keys attached to a lease, sorted. */
export const leaseKeys = (view: ReadView, lease: LeaseId): Uint8Array[] => [...scanLeaseKeys(view, lease)]

/** The same, one after the other. */
export function scanLeaseKeys(view: ReadView, lease: LeaseId): Generator<Uint8Array> {
  const start = idKey(lease)
  // Rows are longer than the bare id, and at most as long as the bound that stands for its last possible key.
  const end = Buffer.concat([start, afterLastKey])
  return inKeyOrder(view.scan('leaseKeys', { start, end }), form, false)
}

/** The first user key from `from` on that is attached to a lease; null if there is none. */
export function leaseKeyFrom(view: ReadView, lease: LeaseId, from: Uint8Array): Uint8Array | null {
  const prefix = idKey(lease)
  // A longer key's row may stand anywhere among those that begin with the same bytes.
  const start = Buffer.concat([prefix, from.subarray(0, keyPrefixBytes)])
  const end = Buffer.concat([prefix, afterLastKey])
  for (const key of inKeyOrder(view.scan('leaseKeys', { start, end }), form, false)) {
    if (compareBytes(key, from) >= 0) return key
  }
  return null
}

const isLong = (row: Uint8Array): boolean => row.length > 8 + keyPrefixBytes
const afterLastKey = new Uint8Array(keyPrefixBytes + 33).fill(0xff)

const form: RowForm<Uint8Array> = {
  isLong,
  groupBytes: 8 + keyPrefixBytes,
  decode: (row, bytes) => (isLong(row) ? bytes.subarray(1) : row.subarray(8)),
  compare: compareBytes,
}
