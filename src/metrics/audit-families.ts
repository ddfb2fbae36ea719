import type { TrailWriter } from '../audit/trail-writer.ts'
import { counter, type Family, gauge } from './family.ts'

/** The audit trail: what is written, and whether anything is missing in it. */
export function auditFamilies(trail: Pick<TrailWriter, 'counted' | 'queuedBytes'>): Family[] {
  const named = (name: string): string => `leasehold_audit_${name}`
  return [
    counter(named('records_total'), 'Records written to the audit trail.', () => trail.counted('records')),
    counter(named('bytes_total'), 'Bytes of those records.', () => trail.counted('bytes')),
    counter(
      named('lost_records_total'),
      'Records that are missing in the audit trail, for the disk or for want of room.',
      () => trail.counted('lost'),
    ),
    counter(named('failures_total'), 'Times that the audit trail could not be written.', () =>
      trail.counted('failures'),
    ),
    counter(named('checkpoints_total'), 'Signatures over the audit trail between two ends of files.', () =>
      trail.counted('checkpoints'),
    ),
    gauge(named('queued_bytes'), 'Records that wait to be written.', () => trail.queuedBytes()),
  ]
}
