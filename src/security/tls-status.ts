/** What operators watch of TLS: plain data, so that it can be read from any thread and shown by any means. */

/** Why a connection is refused or ended, in a fixed set of words. */
export const refusalKinds = [
  'no_certificate',
  'untrusted',
  'expired',
  'not_yet_valid',
  'wrong_usage',
  'wrong_name',
  'revoked',
  /** Nobody can tell whether it is revoked: the list is missing, or stale beyond the grace. */
  'no_list',
  /** A weak key or signature, names that no name has, damage. */
  'malformed',
  'timeout',
  /** No TLS at all, no common version, suite or protocol, ended in the middle. */
  'protocol',
] as const
export type RefusalKind = (typeof refusalKinds)[number]

export interface Refusal {
  readonly kind: RefusalKind
  /** One line for the log. */
  readonly reason: string
}

/** Counts of one listener, or of several that share it. Changed in place; a copy can cross threads. */
export interface TlsCounts {
  accepted: number
  /** In the handshake. */
  readonly refused: Record<RefusalKind, number>
  /** Ended later: revoked, expired or no longer trusted. */
  readonly closed: Record<RefusalKind, number>
}

const zeros = (): Record<RefusalKind, number> =>
  Object.fromEntries(refusalKinds.map((kind) => [kind, 0])) as Record<RefusalKind, number>

export const newTlsCounts = (): TlsCounts => ({ accepted: 0, refused: zeros(), closed: zeros() })

export interface CertificateStatus {
  readonly port: 'client' | 'peer'
  /** `own`: presented by this member; `authority`: whose certificates it takes. */
  readonly role: 'own' | 'authority'
  readonly file: string
  readonly subject: string
  /** Lower-case hexadecimal. */
  readonly serial: string
  /** Since the epoch. */
  readonly notAfterMs: number
}

/** A revocation list in use. */
export interface ListStatus {
  readonly port: 'client' | 'peer'
  readonly file: string
  readonly issuer: string
  readonly number: bigint | null
  readonly thisUpdateMs: number
  /** Null: it does not say. */
  readonly nextUpdateMs: number | null
  /** From then on no certificate of its issuer is taken: `nextUpdateMs` and the grace. */
  readonly refusesFromMs: number | null
}

/** What a member has in use, from `MemberTls.status()`. */
export interface TlsStatus {
  readonly certificates: readonly CertificateStatus[]
  readonly lists: readonly ListStatus[]
  readonly reloads: { readonly succeeded: number; readonly failed: number }
  /** The files on disk cannot be used and older ones are in use: why. Null: all is well. */
  readonly reloadProblem: string | null
  /** By the member's own renewer (`--pki-dir`). */
  readonly renewals: { readonly succeeded: number; readonly failed: number }
}
