import { demote, found, type Lessor, spread } from '../../src/lease/lessor.ts'
import type { LeaseRecord } from '../../src/lease/records.ts'

/** Takes over as leader with all leases in one step. */
export function promote(lessor: Lessor, nowMs: number, leases: readonly LeaseRecord[], extendMs: number): void {
  demote(lessor)
  found(lessor, nowMs, leases, extendMs)
  spread(lessor)
}
