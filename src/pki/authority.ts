import { createPrivateKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import {
  type AlternativeNames,
  authorityKeyIdentifier,
  basicConstraints,
  extendedKeyUsage,
  issuerFields,
  keyIdentifier,
  keyUsage,
  randomSerial,
  signCertificate,
  subjectAltName,
  subjectKeyIdentifier,
  subjectName,
} from './certificate.ts'
import { PkiError } from './pki-error.ts'
import { loadProfiles, type ProfileName, type Profiles } from './profile.ts'

/** Certificate and PKCS #8 key. The key is secret. */
export interface Credentials {
  readonly certPem: string
  readonly keyPem: string
}

export interface LeafRequest extends AlternativeNames {
  readonly profile: ProfileName
  /** Empty where the profile allows it: the subject is then empty. */
  readonly commonName: string
  /** Null: the profile's default. Cut to the authority's own end. */
  readonly validityDays: number | null
}

export interface Leaf extends Credentials {
  /** Lower-case hex. */
  readonly serial: string
  readonly notBefore: Date
  readonly notAfter: Date
}

const authorityDaysMax = 7300
const msPerDay = 24 * 60 * 60 * 1000
/** Clocks of a fleet differ: a fresh certificate must not be "not yet valid" next door. */
const backdateMs = 5 * 60 * 1000

/**
 * A new self-signed authority that may sign leaves only.
 *
 * @param nowMs since the epoch; for tests.
 * @throws PkiError on an unusable name or validity.
 */
export function createAuthority(
  options: { readonly commonName: string; readonly validityDays: number },
  nowMs: number = Date.now(),
): Credentials {
  if (options.commonName === '') throw new PkiError('an authority needs a common name')
  checkDays(options.validityDays, authorityDaysMax)
  const { publicKey, privateKey } = newKey()
  const name = subjectName(options.commonName)
  const keyId = keyIdentifier(publicKey)
  const certPem = signCertificate(
    {
      serial: randomSerial(),
      issuer: name,
      subject: name,
      notBefore: new Date(nowMs - backdateMs),
      notAfter: new Date(nowMs + options.validityDays * msPerDay),
      publicKey,
      extensions: [basicConstraints(true), keyUsage(true), subjectKeyIdentifier(keyId), authorityKeyIdentifier(keyId)],
    },
    privateKey,
  )
  return { certPem, keyPem: exportKey(privateKey) }
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
  const profile = profiles[request.profile]
  const days = request.validityDays ?? profile.validityDays
  checkDays(days, profile.validityDaysMax)
  if (profile.commonName === 'required' && request.commonName === '') {
    throw new PkiError(`profile ${request.profile} needs a common name`)
  }
  if (profile.names === 'required' && request.dnsNames.length + request.ipAddresses.length === 0) {
    throw new PkiError(`profile ${request.profile} needs at least one DNS name or IP address`)
  }
  const hasNames = request.dnsNames.length + request.ipAddresses.length + request.uris.length > 0
  if (request.commonName === '' && !hasNames) throw new PkiError('a certificate needs a common name or another name')

  const issuer = parseAuthority(authority)
  const notAfterMs = Math.min(nowMs + days * msPerDay, issuer.notAfterMs)
  if (notAfterMs <= nowMs) throw new PkiError('the authority has expired')
  const fields = issuerFields(issuer.certificate)
  const { publicKey, privateKey } = newKey()
  const serial = randomSerial()
  const notBefore = new Date(Math.max(nowMs - backdateMs, issuer.notBeforeMs))
  const notAfter = new Date(Math.floor(notAfterMs / 1000) * 1000)
  const certPem = signCertificate(
    {
      serial,
      issuer: fields.name,
      subject: subjectName(request.commonName),
      notBefore,
      notAfter,
      publicKey,
      extensions: [
        basicConstraints(false),
        keyUsage(false),
        extendedKeyUsage(profile.extendedKeyUsage),
        subjectKeyIdentifier(keyIdentifier(publicKey)),
        authorityKeyIdentifier(fields.keyId),
        ...(hasNames ? [subjectAltName(request, request.commonName === '')] : []),
      ],
    },
    issuer.key,
  )
  return { certPem, keyPem: exportKey(privateKey), serial: Buffer.from(serial).toString('hex'), notBefore, notAfter }
}

/** @throws PkiError if certificate and key are not those of an authority that this code can sign for. */
export function parseAuthority(authority: Credentials) {
  let certificate: X509Certificate
  let key: KeyObject
  try {
    certificate = new X509Certificate(authority.certPem)
  } catch (error) {
    throw new PkiError('the authority certificate cannot be parsed', { cause: error })
  }
  try {
    key = createPrivateKey(authority.keyPem)
  } catch {
    // The cause is left out: a parser's message may quote its input.
    throw new PkiError('the authority key cannot be parsed')
  }
  if (!certificate.ca) throw new PkiError('the authority certificate is not one of an authority')
  if (key.asymmetricKeyType !== 'ec' || key.asymmetricKeyDetails?.namedCurve !== 'prime256v1') {
    throw new PkiError('the authority key is not ECDSA P-256')
  }
  if (!certificate.checkPrivateKey(key)) throw new PkiError('the authority key does not belong to its certificate')
  const notBeforeMs = Date.parse(certificate.validFrom)
  const notAfterMs = Date.parse(certificate.validTo)
  return { certificate, key, notBeforeMs, notAfterMs }
}

function checkDays(days: number, max: number): void {
  if (!Number.isSafeInteger(days) || days < 1 || days > max) {
    throw new PkiError(`validity must be 1 to ${max} days, not ${days}`)
  }
}

const newKey = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })

const exportKey = (key: KeyObject): string => key.export({ type: 'pkcs8', format: 'pem' }) as string
