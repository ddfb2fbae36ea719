import { constants, type KeyObject, verify } from 'node:crypto'
import { contextTag, type DerValue } from './der-value.ts'

/** What every signed structure has in common. */
export interface Signed {
  /** The bytes that the signature is over. */
  readonly signedBytes: Buffer
  readonly algorithm: SignatureAlgorithm
  readonly signature: Buffer
}

export interface SignatureAlgorithm {
  /** As OpenSSL calls it; the object identifier if it is not known here. */
  readonly name: string
  /** AlgorithmIdentifier, for comparing. */
  readonly der: Buffer
  readonly scheme: Scheme | 'weak' | 'unknown'
}

interface Scheme {
  readonly keyType: 'ec' | 'rsa' | 'ed25519'
  /** Null: the key's type says it. */
  readonly hash: string | null
  /** RSASSA-PSS; the length of its salt in bytes. */
  readonly saltLength?: number
}

const pss = '1.2.840.113549.1.1.10'

const algorithms: ReadonlyMap<string, readonly [string, Scheme | 'weak']> = new Map([
  ['1.2.840.10045.4.3.2', ['ecdsa-with-SHA256', { keyType: 'ec', hash: 'sha256' }]],
  ['1.2.840.10045.4.3.3', ['ecdsa-with-SHA384', { keyType: 'ec', hash: 'sha384' }]],
  ['1.2.840.10045.4.3.4', ['ecdsa-with-SHA512', { keyType: 'ec', hash: 'sha512' }]],
  ['1.2.840.113549.1.1.11', ['sha256WithRSAEncryption', { keyType: 'rsa', hash: 'sha256' }]],
  ['1.2.840.113549.1.1.12', ['sha384WithRSAEncryption', { keyType: 'rsa', hash: 'sha384' }]],
  ['1.2.840.113549.1.1.13', ['sha512WithRSAEncryption', { keyType: 'rsa', hash: 'sha512' }]],
  ['1.3.101.112', ['ED25519', { keyType: 'ed25519', hash: null }]],
  // Collisions of these can be made, and with them a second certificate under the first one's signature.
  ['1.2.840.113549.1.1.2', ['md2WithRSAEncryption', 'weak']],
  ['1.2.840.113549.1.1.4', ['md5WithRSAEncryption', 'weak']],
  ['1.2.840.113549.1.1.5', ['sha1WithRSAEncryption', 'weak']],
  ['1.2.840.10045.4.1', ['ecdsa-with-SHA1', 'weak']],
  ['1.2.840.10040.4.3', ['dsaWithSHA1', 'weak']],
])

const hashes: ReadonlyMap<string, string> = new Map([
  ['2.16.840.1.101.3.4.2.1', 'sha256'],
  ['2.16.840.1.101.3.4.2.2', 'sha384'],
  ['2.16.840.1.101.3.4.2.3', 'sha512'],
])

export function algorithmOf(value: DerValue): SignatureAlgorithm {
  const items = value.items()
  const id = items.next().oid()
  if (id === pss) return { name: 'rsassaPss', der: value.der, scheme: pssScheme(items.peek()) }
  const [name, scheme] = algorithms.get(id) ?? [id, 'unknown' as const]
  return { name, der: value.der, scheme }
}

/** @source RFC 4055 section 3.1; what is left out means SHA-1. */
function pssScheme(parameters: DerValue | null): Scheme | 'weak' {
  const items = parameters?.items()
  const hashId = items?.optional(contextTag(0, true))?.inner(contextTag(0, true)).items().next().oid()
  items?.optional(contextTag(1, true))
  const saltLength = items?.optional(contextTag(2, true))?.inner(contextTag(2, true)).smallInteger() ?? 20
  const hash = hashId === undefined ? undefined : hashes.get(hashId)
  return hash === undefined ? 'weak' : { keyType: 'rsa', hash, saltLength }
}

/** Why `signed` does not carry a good signature of `key`, or null if it does. */
export function signatureProblem(signed: Signed, key: KeyObject): string | null {
  const { name, scheme } = signed.algorithm
  if (scheme === 'weak') return `its signature is too weak (${name})`
  if (scheme === 'unknown') return `its signature is of an unknown kind (${name})`
  // "rsa-pss" keys may make such signatures only.
  const keyType = key.asymmetricKeyType === 'rsa-pss' && scheme.saltLength !== undefined ? 'rsa' : key.asymmetricKeyType
  if (keyType !== scheme.keyType) return 'its signature is not of the kind that its issuer’s key makes'
  const padding =
    scheme.saltLength === undefined ? {} : { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: scheme.saltLength }
  const good = verify(scheme.hash, signed.signedBytes, { key, dsaEncoding: 'der', ...padding }, signed.signature)
  return good ? null : 'its signature is wrong'
}
