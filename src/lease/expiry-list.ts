import { type LeaseId, leaseId } from '../base/ids.ts'
import type { Lessor } from './lessor.ts'

const rowBytes = 16

/** All leases with their expiries, in no order: the leader's core only copies, sorting is for who asks. */
export function encodeExpiries({ leases }: Lessor): Uint8Array {
  const bytes = new Uint8Array(leases.size * rowBytes)
  const view = new DataView(bytes.buffer)
  let at = 0
  for (const [id, { expiresAtMs }] of leases) {
    view.setBigInt64(at, id)
    view.setFloat64(at + 8, expiresAtMs)
    at += rowBytes
  }
  return bytes
}

/** @param rows of `encodeExpiries`. @returns the leases, those first that expire first; equal ones as they were granted. */
export function idsByExpiry(rows: Uint8Array): LeaseId[] {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength)
  const leases = Array.from({ length: Math.floor(rows.length / rowBytes) }, (_, i) => ({
    id: leaseId(view.getBigInt64(i * rowBytes)),
    atMs: view.getFloat64(i * rowBytes + 8),
  }))
  return leases.sort((a, b) => a.atMs - b.atMs).map(({ id }) => id)
}
