import { createHash, type KeyObject, randomBytes, sign } from 'node:crypto'
import { DerValue, oids } from '../x509/index.ts'
import * as der from './der.ts'

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

const ecdsaWithSha256 = (): der.Der => der.sequence(der.oid(oids.ecdsaWithSha256))

/** A version 3 certificate in DER. @source RFC 5280 section 4.1. */
export const signCertificate = (fields: CertificateFields, issuerKey: KeyObject): Buffer =>
  signed(
    der.sequence(
      der.explicit(0, der.smallInteger(2)),
      der.integer(fields.serial),
      ecdsaWithSha256(),
      fields.issuer,
      der.sequence(der.time(fields.notBefore), der.time(fields.notAfter)),
      fields.subject,
      spkiOf(fields.publicKey),
      der.explicit(3, der.sequence(...fields.extensions)),
    ),
    issuerKey,
  )

export interface RevocationListFields {
  readonly issuer: der.Der
  readonly thisUpdate: Date
  readonly nextUpdate: Date
  readonly revoked: readonly { readonly serial: Uint8Array; readonly at: Date; readonly extensions: der.Der[] }[]
  readonly extensions: readonly der.Der[]
}

/** A version 2 revocation list in DER. @source RFC 5280 section 5.1. */
export const signRevocationList = (fields: RevocationListFields, issuerKey: KeyObject): Buffer => {
  const entries = fields.revoked.map(({ serial, at, extensions }) =>
    der.sequence(der.integer(serial), der.time(at), ...(extensions.length > 0 ? [der.sequence(...extensions)] : [])),
  )
  return signed(
    der.sequence(
      der.smallInteger(1),
      ecdsaWithSha256(),
      fields.issuer,
      der.time(fields.thisUpdate),
      der.time(fields.nextUpdate),
      // An empty list is left out, not written as empty.
      ...(entries.length > 0 ? [der.sequenceOf(entries)] : []),
      der.explicit(0, der.sequence(...fields.extensions)),
    ),
    issuerKey,
  )
}

/** A request for a certificate in DER, which shows that its sender has `key`. @source RFC 2986. */
export const signRequest = (
  fields: { readonly subject: der.Der; readonly publicKey: KeyObject; readonly extensions: readonly der.Der[] },
  key: KeyObject,
): Buffer =>
  signed(
    der.sequence(
      der.smallInteger(0),
      fields.subject,
      spkiOf(fields.publicKey),
      der.implicitItems(
        0,
        ...(fields.extensions.length > 0
          ? [der.sequence(der.oid(oids.extensionRequest), der.set(der.sequence(...fields.extensions)))]
          : []),
      ),
    ),
    key,
  )

/** ECDSA P-256 with SHA-256: every key that signs here is of that kind. @source RFC 5758 section 3.2. */
function signed(toBeSigned: der.Der, key: KeyObject): Buffer {
  const signature = sign('sha256', der.encode(toBeSigned), { key, dsaEncoding: 'der' })
  return der.encode(der.sequence(toBeSigned, ecdsaWithSha256(), der.bitString(signature)))
}

/** 16 bytes, positive, minimal, 126 of the bits random. @source RFC 5280 section 4.1.2.2 (20 bytes at most). */
export function randomSerial(): Uint8Array {
  const serial = randomBytes(16)
  serial[0] = (serial[0]! & 0x3f) | 0x40
  return serial
}

/** SHA-1 of the key's bits: a name, not a protection. @source RFC 5280 section 4.2.1.2, method 1. */
export function keyIdentifier(key: KeyObject): Buffer {
  const items = DerValue.of(key.export({ type: 'spki', format: 'der' })).items()
  items.next()
  return createHash('sha1').update(items.next().wholeBytes()).digest()
}

const spkiOf = (key: KeyObject): der.Der => der.decode(key.export({ type: 'spki', format: 'der' }))
