import { type LeaseId, leaseId } from '../base/ids.ts'
import { sortInSteps } from '../mvcc/sort-in-steps.ts'
import { Pace, type Steps } from '../mvcc/steps.ts'
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
export function* idsByExpiry(rows: Uint8Array): Steps<LeaseId[]> {
  const view = new DataView(rows.buffer, rows.byteOffset, rows.byteLength)
  const leases: { readonly id: LeaseId; readonly atMs: number }[] = []
  const pace = new Pace()
  for (let at = 0; at + rowBytes <= rows.length; at += rowBytes) {
    leases.push({ id: leaseId(view.getBigInt64(at)), atMs: view.getFloat64(at + 8) })
    if (pace.isOver(0, leaseBytes)) yield pace.next()
  }
  const sorted = yield* sortInSteps(leases, (a, b) => a.atMs - b.atMs)
  return sorted.map(({ id }) => id)
}

/** Memory of one lease of a list. */
const leaseBytes = 150
