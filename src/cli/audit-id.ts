import { createHash } from 'node:crypto'

/** A token as the audit trail, the log and revocations have it: the SHA-256 of its id in hex. */
export const auditIdOf = (id: string): string => createHash('sha256').update(id).digest('hex')
