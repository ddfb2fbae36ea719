import type { LeaseId } from '../base/ids.ts'
import { leaseId } from '../base/ids.ts'
import { getId, getUint64, idKey, putUint64 } from '../mvcc/uint.ts'
import type { ReadView, WriteView } from '../mvcc/view.ts'

export { leaseKeys, scanLeaseKeys } from '../mvcc/lease-attachment.ts'

/** A lease as all members know it. When it expires is only in the leader's lessor. */
export interface LeaseRecord {
  readonly id: LeaseId
  readonly ttlSeconds: number
  /** Whole seconds that it had left at its newest checkpoint; 0: none since it was granted or renewed. */
  readonly checkpointSeconds: number
}

// Value: TTL in seconds (8), then the checkpoint in seconds (8) if there is one.

export function getLease(view: ReadView, id: LeaseId): LeaseRecord | null {
  const bytes = view.get('leases', idKey(id))
  return bytes === undefined ? null : decodeLease(id, bytes)
}

const decodeLease = (id: LeaseId, bytes: Uint8Array): LeaseRecord => ({
  id,
  ttlSeconds: getUint64(bytes, 0),
  checkpointSeconds: bytes.length > 8 ? getUint64(bytes, 8) : 0,
})

export const hasLease = (view: ReadView, id: LeaseId): boolean => view.get('leases', idKey(id)) !== undefined

/** Leases in the order of `listLeases`, from the first on or from the one after `last`; at most `limit`. */
export function leasesAfter(view: ReadView, last: LeaseId | null, limit: number): LeaseRecord[] {
  const from = last === null ? 0n : BigInt.asUintN(64, last) + 1n
  const leases: LeaseRecord[] = []
  if (from > lastUnsigned) return leases
  for (const [row, bytes] of view.scan('leases', { start: idKey(from), end: null })) {
    leases.push(decodeLease(leaseId(getId(row, 0)), bytes))
    if (leases.length === limit) break
  }
  return leases
}

const lastUnsigned = (1n << 64n) - 1n

/** All leases, in order of their ids as unsigned numbers. */
export function listLeases(view: ReadView): LeaseRecord[] {
  const leases: LeaseRecord[] = []
  for (const [row, bytes] of view.scan('leases', { start: idKey(0n), end: null })) {
    leases.push(decodeLease(leaseId(getId(row, 0)), bytes))
  }
  return leases
}

export function putLease(view: WriteView, { id, ttlSeconds, checkpointSeconds }: LeaseRecord): void {
  const bytes = new Uint8Array(checkpointSeconds > 0 ? 16 : 8)
  putUint64(bytes, 0, ttlSeconds)
  if (checkpointSeconds > 0) putUint64(bytes, 8, checkpointSeconds)
  view.put('leases', idKey(id), bytes)
}

export const removeLease = (view: WriteView, id: LeaseId): void => view.remove('leases', idKey(id))
