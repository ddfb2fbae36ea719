import { createHash, type KeyObject, randomBytes, sign, type X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import * as der from './der.ts'
import { PkiError } from './pki-error.ts'

/** Everything that goes into a certificate, ready to be encoded. */
export interface CertificateFields {
  readonly serial: Uint8Array
  readonly issuer: der.Der
  readonly subject: der.Der
  readonly notBefore: Date
  readonly notAfter: Date
  readonly publicKey: KeyObject
  readonly extensions: readonly der.Der[]
}

const oids = {
  commonName: '2.5.4.3',
  ecdsaWithSha256: '1.2.840.10045.4.3.2',
  subjectKeyIdentifier: '2.5.29.14',
  keyUsage: '2.5.29.15',
  subjectAltName: '2.5.29.17',
  basicConstraints: '2.5.29.19',
  authorityKeyIdentifier: '2.5.29.35',
  extendedKeyUsage: '2.5.29.37',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
} as const

/** A version 3 certificate, signed with ECDSA P-256 and SHA-256. @source RFC 5280 section 4.1; RFC 5758 section 3.2. */
export function signCertificate(fields: CertificateFields, issuerKey: KeyObject): string {
  const algorithm = der.sequence(der.oid(oids.ecdsaWithSha256))
  const toBeSigned = der.sequence(
    der.explicit(0, der.integer(Uint8Array.of(2))),
    der.integer(fields.serial),
    algorithm,
    fields.issuer,
    der.sequence(der.time(fields.notBefore), der.time(fields.notAfter)),
    fields.subject,
    der.decode(fields.publicKey.export({ type: 'spki', format: 'der' })),
    der.explicit(3, der.sequence(...fields.extensions)),
  )
  const signature = sign('sha256', der.encode(toBeSigned), { key: issuerKey, dsaEncoding: 'der' })
  return der.pem('CERTIFICATE', der.encode(der.sequence(toBeSigned, algorithm, der.bitString(signature))))
}

/** 16 bytes, positive, minimal, 126 of the bits random. @source RFC 5280 section 4.1.2.2 (20 bytes at most). */
export function randomSerial(): Uint8Array {
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x3f) | 0x40
  return serial
}

/** @source RFC 5280 appendix A: ub-common-name. */
const commonNameLengthMax = 64

/** @param commonName empty: the subject is empty. @throws PkiError */
export function subjectName(commonName: string): der.Der {
  if (commonName === '') return der.sequence()
  if (commonName.length > commonNameLengthMax || /\p{Cc}/u.test(commonName) || commonName.trim() !== commonName) {
    throw new PkiError(
      `common name must be 1 to ${commonNameLengthMax} printable characters without spaces around them`,
    )
  }
  return der.sequence(der.set(der.sequence(der.oid(oids.commonName), der.utf8String(commonName))))
}

/** Subject name and key identifier of an issuer, as they stand in its certificate. */
export function issuerFields(certificate: X509Certificate): { readonly name: der.Der; readonly keyId: Uint8Array } {
  const toBeSigned = der.itemsOf(der.itemsOf(der.decode(certificate.raw))[0])
  // version, serial, signature, issuer, validity, subject, key, extensions: all present in a version 3 authority.
  const name = toBeSigned[5]
  if (name === undefined) throw new PkiError('the authority certificate has no subject')
  for (const extension of der.itemsOf(der.itemsOf(toBeSigned.at(-1))[0])) {
    const [id, ...rest] = der.itemsOf(extension)
    if (!der.bytesOf(id).equals(der.bytesOf(der.oid(oids.subjectKeyIdentifier)))) continue
    const keyId = der.bytesOf(der.decode(der.bytesOf(rest.at(-1))))
    return { name, keyId }
  }
  return { name, keyId: keyIdentifier(certificate.publicKey) }
}

/** SHA-1 of the key's bits: a name, not a protection. @source RFC 5280 section 4.2.1.2, method 1. */
export function keyIdentifier(key: KeyObject): Uint8Array {
  const spki = der.itemsOf(der.decode(key.export({ type: 'spki', format: 'der' })))
  return createHash('sha1').update(der.bytesOf(spki[1]).subarray(1)).digest()
}

/** @param authority may sign leaves, not further authorities. */
export const basicConstraints = (authority: boolean): der.Der =>
  extension(
    oids.basicConstraints,
    true,
    authority ? der.sequence(der.boolean(true), der.integer(Uint8Array.of(0))) : der.sequence(),
  )

/** Authority: certificates and CRLs. Leaf: signatures only, which is all that TLS asks of an ECDSA key. */
export const keyUsage = (authority: boolean): der.Der =>
  extension(
    oids.keyUsage,
    true,
    authority ? der.bitString(Uint8Array.of(0b0000_0110), 1) : der.bitString(Uint8Array.of(0b1000_0000), 7),
  )

export const extendedKeyUsage = (usages: readonly ('serverAuth' | 'clientAuth')[]): der.Der =>
  extension(oids.extendedKeyUsage, false, der.sequence(...usages.map((usage) => der.oid(oids[usage]))))

export const subjectKeyIdentifier = (keyId: Uint8Array): der.Der =>
  extension(oids.subjectKeyIdentifier, false, der.octetString(keyId))

export const authorityKeyIdentifier = (keyId: Uint8Array): der.Der =>
  extension(oids.authorityKeyIdentifier, false, der.sequence(der.implicit(0, keyId)))

export interface AlternativeNames {
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  readonly uris: readonly string[]
}

/** @param critical if the subject is empty. @throws PkiError naming what is not a name. */
export const subjectAltName = (names: AlternativeNames, critical: boolean): der.Der =>
  extension(
    oids.subjectAltName,
    critical,
    der.sequence(
      ...names.dnsNames.map((name) => der.implicit(2, dnsNameBytes(name))),
      ...names.uris.map((uri) => der.implicit(6, uriBytes(uri))),
      ...names.ipAddresses.map((address) => der.implicit(7, ipAddressBytes(address))),
    ),
  )

function extension(id: string, critical: boolean, value: der.Der): der.Der {
  const bytes = der.octetString(der.encode(value))
  // DER leaves out what is the default: not critical.
  return critical ? der.sequence(der.oid(id), der.boolean(true), bytes) : der.sequence(der.oid(id), bytes)
}

const dnsName =
  /^(?=.{1,253}$)(\*\.)?([a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/i

function dnsNameBytes(name: string): Uint8Array {
  if (!dnsName.test(name) || isIP(name) !== 0) throw new PkiError(`not a DNS name: ${JSON.stringify(name)}`)
  return Buffer.from(name.toLowerCase(), 'latin1')
}

function uriBytes(uri: string): Uint8Array {
  if (!URL.canParse(uri) || !/^[\x21-\x7e]+$/.test(uri)) throw new PkiError(`not a URI: ${JSON.stringify(uri)}`)
  return Buffer.from(uri, 'latin1')
}

function ipAddressBytes(address: string): Uint8Array {
  const family = isIP(address)
  if (family === 4) return Uint8Array.from(address.split('.'), Number)
  if (family !== 6 || address.includes('%')) throw new PkiError(`not an IP address: ${JSON.stringify(address)}`)
  // The URL parser brings every spelling, also the one with an IPv4 tail, into groups of hexadecimal digits.
  const canonical = new URL(`http://[${address}]`).hostname.slice(1, -1)
  const [head = '', tail] = canonical.split('::')
  const headGroups = head === '' ? [] : head.split(':')
  const tailGroups = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = Array<string>(8 - headGroups.length - tailGroups.length).fill('0')
  const bytes = Buffer.alloc(16)
  for (const [i, group] of [...headGroups, ...zeros, ...tailGroups].entries()) {
    bytes.writeUInt16BE(Number.parseInt(group, 16), 2 * i)
  }
  return bytes
}
