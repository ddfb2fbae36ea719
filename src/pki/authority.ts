import type { KeyObject } from 'node:crypto'
import {
  type Certificate,
  keyProblem,
  memberUriScheme,
  pem,
  readCertificates,
  showKey,
  X509Error,
} from '../x509/index.ts'
import { keyIdentifier, randomSerial, signCertificate } from './certificate.ts'
import * as der from './der.ts'
import {
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  keyUsage,
  subjectAltName,
  subjectKeyIdentifier,
} from './extension.ts'
import { PkiError } from './pki-error.ts'
import { exportKey, isKeyOf, newKey, parseKey } from './private-key.ts'
import { type AuthorityKind, checkDays, loadProfiles, type ProfileName, type Profiles } from './profile.ts'
import { type AlternativeNames, subjectName } from './subject-names.ts'

/** Certificate and PKCS #8 key. The key is secret. */
export interface Credentials {
  /** Its own certificate first, then those of the authorities above it but for the self-signed one. */
  readonly certPem: string
  readonly keyPem: string
}

/** An authority that is ready to sign. */
export interface Signer {
  readonly certificate: Certificate
  readonly key: KeyObject
  /** What goes behind each certificate that it issues; empty for one that is self-signed. */
  readonly chainPem: string
}

export interface AuthorityRequest {
  readonly commonName: string
  /** Null: the profile's default. */
  readonly validityDays: number | null
  readonly kind?: AuthorityKind
  /** Signs it; absent: it signs itself. */
  readonly parent?: Signer
  /** Encrypts the key. */
  readonly passphrase?: string | null
}

export interface LeafRequest extends AlternativeNames {
  readonly profile: ProfileName
  /** Empty where the profile allows it: the subject is then empty. */
  readonly commonName: string
  /** Null: the profile's default. Cut to the authority's own end. */
  readonly validityDays: number | null
}

export interface SignedLeaf {
  /** With the chain. */
  readonly certPem: string
  readonly certificate: Certificate
  /** Lower-case hex. */
  readonly serial: string
  readonly notBefore: Date
  readonly notAfter: Date
}

export type Leaf = SignedLeaf & Credentials

const msPerDay = 24 * 60 * 60 * 1000
/** Clocks of a fleet differ: a fresh certificate must not be "not yet valid" next door. */
export const backdateMs = 5 * 60 * 1000

/**
 * A new authority: self-signed, or signed by its parent.
 *
 * @param nowMs since the epoch; for tests.
 * @throws PkiError on an unusable name or validity, or if the parent may not sign authorities.
 */
export function createAuthority(
  { commonName, validityDays, kind = 'root', parent, passphrase = null }: AuthorityRequest,
  nowMs: number = Date.now(),
  profiles: Profiles = loadProfiles(),
): Credentials {
  if (commonName === '') throw new PkiError('an authority needs a common name')
  const profile = profiles.authorities[kind]
  const days = validityDays ?? profile.validityDays
  checkDays(days, profile.validityDaysMax)
  if (parent !== undefined && (parent.certificate.extensions.basicConstraints?.pathLength ?? 1) < 1)
    throw new PkiError('the parent may not sign authorities: its path length is 0')
  const { publicKey, privateKey } = newKey()
  const subject = subjectName(commonName)
  const keyId = keyIdentifier(publicKey)
  const certificate = signCertificate(
    {
      serial: randomSerial(),
      issuer: parent === undefined ? subject : der.decode(parent.certificate.subject.der),
      subject,
      ...validityOf(days, parent?.certificate ?? null, nowMs),
      publicKey,
      extensions: [
        basicConstraints(profile.pathLength),
        keyUsage(true),
        subjectKeyIdentifier(keyId),
        authorityKeyIdentifier(parent === undefined ? keyId : keyIdOf(parent)),
      ],
    },
    parent?.key ?? privateKey,
  )
  return {
    certPem: pem('CERTIFICATE', certificate) + (parent?.chainPem ?? ''),
    keyPem: exportKey(privateKey, passphrase),
  }
}

/**
 * A new key and a certificate for it.
 *
 * @param nowMs since the epoch; for tests.
 * @throws PkiError if the profile forbids what is asked, a name is malformed, or the authority cannot sign.
 */
export function issue(
  authority: Credentials,
  request: LeafRequest,
  profiles: Profiles = loadProfiles(),
  nowMs: number = Date.now(),
): Leaf {
  const { publicKey, privateKey } = newKey()
  const leaf = signLeaf(parseAuthority(authority), request, publicKey, profiles, nowMs)
  return { ...leaf, keyPem: exportKey(privateKey, null) }
}

/** A certificate for a key that somebody has. @throws PkiError as `issue`, and if the key is weak. */
export function signLeaf(
  signer: Signer,
  request: LeafRequest,
  publicKey: KeyObject,
  profiles: Profiles,
  nowMs: number = Date.now(),
): SignedLeaf {
  const profile = profiles.certificates[request.profile]
  const days = request.validityDays ?? profile.validityDays
  checkDays(days, profile.validityDaysMax)
  checkNames(request, profiles)
  const weakness = keyProblem(publicKey)
  if (weakness !== null) throw new PkiError(weakness)
  const serial = randomSerial()
  const hasNames = namesOf(request).length > 0
  const { notBefore, notAfter } = validityOf(days, signer.certificate, nowMs)
  const certificate = signCertificate(
    {
      serial,
      issuer: der.decode(signer.certificate.subject.der),
      subject: subjectName(request.commonName),
      notBefore,
      notAfter,
      publicKey,
      extensions: [
        basicConstraints(null),
        keyUsage(false),
        extendedKeyUsage(profile.extendedKeyUsage),
        subjectKeyIdentifier(keyIdentifier(publicKey)),
        authorityKeyIdentifier(keyIdOf(signer)),
        ...(hasNames ? [subjectAltName(request, request.commonName === '')] : []),
      ],
    },
    signer.key,
  )
  const leafPem = pem('CERTIFICATE', certificate)
  return {
    certPem: leafPem + signer.chainPem,
    certificate: readCertificates(certificate)[0]!,
    serial: Buffer.from(serial).toString('hex'),
    notBefore,
    notAfter,
  }
}

/** @throws PkiError if certificate and key are not those of an authority that this code can sign for. */
export function parseAuthority({ certPem, keyPem }: Credentials, passphrase: string | null = null): Signer {
  let chain: Certificate[]
  try {
    chain = readCertificates(Buffer.from(certPem, 'latin1'))
  } catch (error) {
    if (!(error instanceof X509Error)) throw error
    throw new PkiError(`the authority certificate cannot be parsed: ${error.message}`, { cause: error })
  }
  const certificate = chain[0]!
  const key = parseKey(keyPem, passphrase, 'the authority key')
  if (certificate.extensions.basicConstraints?.ca !== true)
    throw new PkiError('the authority certificate is not one of an authority')
  if (showKey(certificate.publicKey) !== 'EC P-256') throw new PkiError('the authority key is not ECDSA P-256')
  if (!isKeyOf(key, certificate.publicKey)) throw new PkiError('the authority key does not belong to its certificate')
  const isRoot = certificate.issuer.der.equals(certificate.subject.der)
  return { certificate, key, chainPem: isRoot ? '' : chain.map((each) => pem('CERTIFICATE', each.der)).join('') }
}

function checkNames(request: LeafRequest, profiles: Profiles): void {
  const { profile: name, commonName, dnsNames, ipAddresses, uris } = request
  const profile = profiles.certificates[name]
  if (profile.commonName === 'required' && commonName === '') throw new PkiError(`profile ${name} needs a common name`)
  if (profile.names === 'required' && dnsNames.length + ipAddresses.length === 0)
    throw new PkiError(`profile ${name} needs at least one DNS name or IP address`)
  for (const [kind, names] of [
    ['dns', dnsNames],
    ['ip', ipAddresses],
    ['uri', uris],
  ] as const)
    if (names.length > 0 && !profile.allowedNames.includes(kind))
      throw new PkiError(`profile ${name} allows no ${kind} names: ${JSON.stringify(names[0])}`)
  if (profile.memberUri === 'refused' && uris.some((uri) => uri.toLowerCase().startsWith(memberUriScheme)))
    throw new PkiError(`profile ${name} does not make members: it allows no URI of ${memberUriScheme}//`)
  if (commonName === '' && namesOf(request).length === 0)
    throw new PkiError('a certificate needs a common name or another name')
}

const namesOf = ({ dnsNames, ipAddresses, uris }: AlternativeNames): string[] => [...dnsNames, ...ipAddresses, ...uris]

/** @param issuer nothing outlives it; null: it signs itself. */
function validityOf(days: number, issuer: Certificate | null, nowMs: number) {
  const endMs = Math.min(nowMs + days * msPerDay, issuer?.notAfterMs ?? Number.POSITIVE_INFINITY)
  if (endMs <= nowMs) throw new PkiError('the authority has expired')
  const startMs = Math.max(nowMs - backdateMs, issuer?.notBeforeMs ?? 0)
  return { notBefore: new Date(startMs), notAfter: new Date(Math.floor(endMs / 1000) * 1000) }
}

/** As its certificate says; every certificate that was made here does. */
export const keyIdOf = ({ certificate }: Signer): Uint8Array =>
  certificate.extensions.subjectKeyId ?? keyIdentifier(certificate.publicKey)
