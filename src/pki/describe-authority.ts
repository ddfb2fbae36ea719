import { fingerprintOf } from '../x509/index.ts'
import { readAuthority } from './authority-folder.ts'
import { issuingGeneration } from './index-state.ts'
import { certificatesLeft, rotationState } from './rotate-authority.ts'

/** An authority's folder as its index has it. */
export interface AuthorityDescription {
  readonly type: 'authority'
  readonly kind: string
  readonly subject: string
  readonly keys: readonly {
    readonly generation: number
    readonly role: string
    readonly serial: string
    readonly notAfter: string
    readonly fingerprint: string
  }[]
  readonly rotation: string
  /** Serials of certificates in use whose key of the authority is on its way out. */
  readonly leftToRenew: readonly string[]
  readonly crlNumber: number
  readonly crlNextUpdate: string | null
  readonly issued: readonly {
    readonly serial: string
    readonly profile: string
    readonly subject: string
    readonly names: readonly string[]
    readonly generation: number
    readonly notAfter: string
    readonly status: 'valid' | 'expired' | 'revoked' | 'replaced'
    /** Why it was revoked; null: it was not. */
    readonly reason: string | null
  }[]
}

/** @param nowMs since the epoch; for tests. @throws PkiError naming what is damaged. */
export function describeAuthority(dir: string, nowMs: number = Date.now()): AuthorityDescription {
  const folder = readAuthority(dir)
  const { state } = folder
  const issuing = issuingGeneration(state)
  return {
    type: 'authority',
    kind: issuing.kind,
    subject: issuing.subject,
    keys: [...state.generations.values()].map((each) => ({
      generation: each.generation,
      role: each.role,
      serial: each.serial,
      notAfter: each.notAfter,
      fingerprint: fingerprintOf(folder.certificates(each)[0]!),
    })),
    rotation: rotationState(folder),
    leftToRenew: certificatesLeft(folder).map(({ serial }) => serial),
    crlNumber: state.crlNumber,
    crlNextUpdate: state.crl?.nextUpdate ?? null,
    issued: [...state.issued.values()].map((each) => ({
      serial: each.serial,
      profile: each.profile,
      subject: each.subject,
      names: [...each.dnsNames, ...each.ipAddresses, ...each.uris],
      generation: each.generation,
      notAfter: each.notAfter,
      status: statusOf(each.serial, each.notAfter),
      reason: state.revoked.get(each.serial)?.reason ?? null,
    })),
  }

  function statusOf(serial: string, notAfter: string) {
    if (state.revoked.has(serial)) return 'revoked'
    if (Date.parse(notAfter) < nowMs) return 'expired'
    return state.replaced.has(serial) ? 'replaced' : 'valid'
  }
}
