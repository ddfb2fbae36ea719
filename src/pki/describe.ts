import { createPublicKey } from 'node:crypto'
import {
  type Certificate,
  type CertificateRequest,
  type Extensions,
  fingerprintOf,
  issuanceProblem,
  keyProblem,
  parseCertificate,
  parseCertificateRequest,
  parseRevocationList,
  pemBlocks,
  type RevocationList,
  requestProblem,
  showAlternativeName,
  showKey,
  showName,
  usageNames,
  X509Error,
} from '../x509/index.ts'
import { PkiError } from './pki-error.ts'
import { readBytes } from './private-files.ts'
import { isEncrypted, parseKey } from './private-key.ts'

/** Dates are ISO 8601, serials and fingerprints lower-case hexadecimal; every text is printable. */
export type Description = CertificateDescription | RequestDescription | ListDescription | KeyDescription

interface ExtensionsDescription {
  readonly authority: boolean
  readonly pathLength: number | null
  readonly keyUsage: readonly string[] | null
  readonly extendedKeyUsage: readonly string[] | null
  readonly alternativeNames: readonly string[]
  readonly criticalUnknown: readonly string[]
}

export interface CertificateDescription extends ExtensionsDescription {
  readonly type: 'certificate'
  readonly subject: string
  readonly issuer: string
  readonly selfSigned: boolean
  readonly serial: string
  readonly notBefore: string
  readonly notAfter: string
  readonly validity: 'valid' | 'expired' | 'not yet valid'
  readonly key: string
  readonly signature: string
  readonly subjectKeyId: string | null
  readonly authorityKeyId: string | null
  readonly fingerprint: string
  /** What is weak about it. */
  readonly weakness: string | null
}

export interface RequestDescription extends ExtensionsDescription {
  readonly type: 'request'
  readonly subject: string
  readonly key: string
  readonly signature: string
  /** Why it is not good for a certificate. */
  readonly weakness: string | null
}

export interface ListDescription {
  readonly type: 'revocation list'
  readonly issuer: string
  readonly number: string | null
  readonly thisUpdate: string
  readonly nextUpdate: string | null
  readonly stale: boolean
  readonly signature: string
  readonly authorityKeyId: string | null
  readonly revoked: readonly { readonly serial: string; readonly at: string; readonly reason: string }[]
}

export interface KeyDescription {
  readonly type: 'private key'
  /** Null: it is encrypted. */
  readonly key: string | null
  readonly encrypted: boolean
}

/**
 * What is in a file: one or many certificates, requests, lists and keys in PEM, or one of the first three in DER. Of keys
 * only the kind is told.
 *
 * @param nowMs since the epoch; for tests.
 * @throws PkiError naming the file and what is damaged.
 */
export function describeFile(file: string, nowMs: number = Date.now()): Description[] {
  const bytes = readBytes(file)
  try {
    if (bytes.length === 0) throw new X509Error('it is empty')
    return bytes[0] === 0x30 ? [describeDer(bytes, nowMs)] : describePem(bytes.toString('latin1'), file, nowMs)
  } catch (error) {
    if (error instanceof X509Error) throw new PkiError(`${file}: ${error.message}`, { cause: error })
    throw error
  }
}

function describePem(text: string, file: string, nowMs: number): Description[] {
  const blocks = pemBlocks(text)
  if (blocks.length === 0) throw new X509Error('no PEM block and no DER in it')
  return blocks.map(({ label, der }) => {
    switch (label) {
      case 'CERTIFICATE':
        return describeCertificate(parseCertificate(der), nowMs)
      case 'X509 CRL':
        return describeList(parseRevocationList(der), nowMs)
      case 'CERTIFICATE REQUEST':
      case 'NEW CERTIFICATE REQUEST':
        return describeRequest(parseCertificateRequest(der))
      default:
        if (label.endsWith('PRIVATE KEY')) return describeKey(text, file)
        throw new X509Error(`a PEM block that is not known here: ${label}`)
    }
  })
}

/** The three begin alike: which it is shows in what can be read. */
function describeDer(bytes: Buffer, nowMs: number): Description {
  const problems: string[] = []
  for (const describe of [
    () => describeCertificate(parseCertificate(bytes), nowMs),
    () => describeList(parseRevocationList(bytes), nowMs),
    () => describeRequest(parseCertificateRequest(bytes)),
  ])
    try {
      return describe()
    } catch (error) {
      if (!(error instanceof X509Error)) throw error
      problems.push(error.message)
    }
  throw new X509Error(`neither a certificate (${problems[0]}) nor a revocation list (${problems[1]}) nor a request`)
}

const date = (ms: number): string => new Date(ms).toISOString()

export function describeCertificate(certificate: Certificate, nowMs: number): CertificateDescription {
  const { subject, issuer, notBeforeMs, notAfterMs, publicKey, algorithm } = certificate
  const selfSigned = issuanceProblem(certificate, certificate) === null
  return {
    type: 'certificate',
    subject: showName(subject),
    issuer: showName(issuer),
    selfSigned,
    serial: certificate.serial,
    notBefore: date(notBeforeMs),
    notAfter: date(notAfterMs),
    validity: nowMs < notBeforeMs ? 'not yet valid' : nowMs > notAfterMs ? 'expired' : 'valid',
    key: showKey(publicKey),
    signature: algorithm.name,
    ...describeExtensions(certificate.extensions),
    subjectKeyId: certificate.extensions.subjectKeyId?.toString('hex') ?? null,
    authorityKeyId: certificate.extensions.authorityKeyId?.toString('hex') ?? null,
    fingerprint: fingerprintOf(certificate),
    weakness: keyProblem(publicKey) ?? (algorithm.scheme === 'weak' ? `signature of kind ${algorithm.name}` : null),
  }
}

function describeRequest(request: CertificateRequest): RequestDescription {
  return {
    type: 'request',
    subject: showName(request.subject),
    key: showKey(request.publicKey),
    signature: request.algorithm.name,
    ...describeExtensions(request.extensions),
    weakness: keyProblem(request.publicKey) ?? requestProblem(request),
  }
}

function describeList(list: RevocationList, nowMs: number): ListDescription {
  return {
    type: 'revocation list',
    issuer: showName(list.issuer),
    number: list.number === null ? null : `${list.number}`,
    thisUpdate: date(list.thisUpdateMs),
    nextUpdate: list.nextUpdateMs === null ? null : date(list.nextUpdateMs),
    stale: list.nextUpdateMs !== null && list.nextUpdateMs < nowMs,
    signature: list.algorithm.name,
    authorityKeyId: list.authorityKeyId?.toString('hex') ?? null,
    revoked: [...list.revoked].map(([serial, { revokedAtMs, reason }]) => ({ serial, at: date(revokedAtMs), reason })),
  }
}

function describeKey(text: string, file: string): KeyDescription {
  if (isEncrypted(text)) return { type: 'private key', key: null, encrypted: true }
  return { type: 'private key', key: showKey(createPublicKey(parseKey(text, null, file))), encrypted: false }
}

function describeExtensions(extensions: Extensions): ExtensionsDescription {
  return {
    authority: extensions.basicConstraints?.ca ?? false,
    pathLength: extensions.basicConstraints?.pathLength ?? null,
    keyUsage: extensions.keyUsage,
    extendedKeyUsage: extensions.extendedKeyUsage?.map((id) => usageNames.get(id) ?? id) ?? null,
    alternativeNames: extensions.alternativeNames.map(showAlternativeName),
    criticalUnknown: extensions.unknownCritical,
  }
}
