import type { LeaseId } from '../base/ids.ts'
import { leaseId } from '../base/ids.ts'
import { getId, getUint64, idKey, putUint64 } from '../mvcc/uint.ts'
import type { ReadView, WriteView } from '../mvcc/view.ts'

export { leaseKeys } from '../mvcc/lease-attachment.ts'

/** A lease as all members know it. When it expires is only in the leader's lessor. */
export interface LeaseRecord {
  readonly id: LeaseId
  readonly ttlSeconds: number
}

// Value: TTL in seconds (8).

export function getLease(view: ReadView, id: LeaseId): LeaseRecord | null {
  const bytes = view.get('leases', idKey(id))
  return bytes === undefined ? null : { id, ttlSeconds: getUint64(bytes, 0) }
}

export const hasLease = (view: ReadView, id: LeaseId): boolean => view.get('leases', idKey(id)) !== undefined

/** All leases, in order of their ids. */
export function listLeases(view: ReadView): LeaseRecord[] {
  const leases: LeaseRecord[] = []
  for (const [row, bytes] of view.scan('leases', { start: idKey(0n), end: null })) {
    leases.push({ id: leaseId(getId(row, 0)), ttlSeconds: getUint64(bytes, 0) })
  }
  return leases
}

export function putLease(view: WriteView, { id, ttlSeconds }: LeaseRecord): void {
  const bytes = new Uint8Array(8)
  putUint64(bytes, 0, ttlSeconds)
  view.put('leases', idKey(id), bytes)
}

export const removeLease = (view: WriteView, id: LeaseId): void => view.remove('leases', idKey(id))
