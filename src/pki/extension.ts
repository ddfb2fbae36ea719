import { oids } from '../x509/index.ts'
import * as der from './der.ts'
import { type AlternativeNames, generalNames } from './subject-names.ts'

/** @param pathLength how many authorities may stand between this one and a leaf; null: a leaf. */
export const basicConstraints = (pathLength: number | null): der.Der =>
  extension(
    oids.basicConstraints,
    true,
    pathLength === null ? der.sequence() : der.sequence(der.boolean(true), der.smallInteger(pathLength)),
  )

/** Authority: certificates and CRLs. Leaf: signatures only, which is all that TLS 1.3 asks of any key. */
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

/** @param critical if the subject is empty. @throws PkiError naming what is not a name. */
export const subjectAltName = (names: AlternativeNames, critical: boolean): der.Der =>
  extension(oids.subjectAltName, critical, generalNames(names))

export const crlNumber = (number: number): der.Der => extension(oids.crlNumber, false, der.smallInteger(number))

export const reasonCode = (code: number): der.Der => extension(oids.reasonCode, false, der.enumerated(code))

function extension(id: string, critical: boolean, value: der.Der): der.Der {
  const bytes = der.octetString(der.encode(value))
  // DER leaves out what is the default: not critical.
  return critical ? der.sequence(der.oid(id), der.boolean(true), bytes) : der.sequence(der.oid(id), bytes)
}
