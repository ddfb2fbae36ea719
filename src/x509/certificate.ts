import { createHash, type KeyObject } from 'node:crypto'
import { contextTag, type DerItems, DerValue, tags } from './der-value.ts'
import { type DistinguishedName, nameOf } from './distinguished-name.ts'
import { type Extensions, extensionsOf } from './extensions.ts'
import { publicKeyOf } from './public-key.ts'
import { algorithmOf, type Signed } from './signature.ts'
import { timeOf } from './time.ts'
import { X509Error } from './x509-error.ts'

/** What stands in a certificate. That it says so does not make it true: see `issuanceProblem`. */
export interface Certificate extends Signed {
  readonly der: Buffer
  readonly version: 1 | 2 | 3
  /** As `serialOf` writes it. */
  readonly serial: string
  readonly issuer: DistinguishedName
  readonly subject: DistinguishedName
  /** Milliseconds since the epoch. It is valid from the one moment to the other, both included. */
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly publicKey: KeyObject
  readonly extensions: Extensions
}

/** Longer than any authority makes them (RFC 5280: 20). */
const serialBytesMax = 64

/** @throws X509Error naming what is damaged or not allowed. */
export function parseCertificate(bytes: Uint8Array): Certificate {
  const outer = DerValue.of(bytes)
  const { signed, items } = signedOf(outer)
  const version = items.optional(contextTag(0, true))?.inner(contextTag(0, true)).smallInteger() ?? 0
  if (version > 2) throw new X509Error(`certificates of version ${version + 1} are not known`)
  const serial = serialOf(items.next())
  sameAlgorithm(items.next(tags.sequence), signed)
  const issuer = nameOf(items.next())
  const validity = items.next().items()
  const notBeforeMs = timeOf(validity.next())
  const notAfterMs = timeOf(validity.next())
  validity.end()
  const subject = nameOf(items.next())
  const publicKey = publicKeyOf(items.next(tags.sequence).der)
  for (const tag of [contextTag(1, false), contextTag(2, false)]) items.optional(tag)
  const extensions = extensionsOf(items.optional(contextTag(3, true))?.inner(contextTag(3, true)) ?? null)
  items.end()
  return {
    ...signed,
    der: outer.der,
    version: (version + 1) as 1 | 2 | 3,
    serial,
    issuer,
    subject,
    notBeforeMs,
    notAfterMs,
    publicKey,
    extensions,
  }
}

/** A structure of three: what is signed, how, and the signature. `items` are those of the first. */
export function signedOf(outer: DerValue): { readonly signed: Signed; readonly items: DerItems } {
  const parts = outer.items()
  const body = parts.next(tags.sequence)
  const signed: Signed = {
    signedBytes: body.der,
    algorithm: algorithmOf(parts.next()),
    signature: parts.next().wholeBytes(),
  }
  parts.end()
  return { signed, items: body.items() }
}

/** The algorithm stands inside the signed part as well, so that nobody can exchange it. RFC 5280 section 4.1.1.2. */
export function sameAlgorithm(inner: DerValue, signed: Signed): void {
  if (!inner.der.equals(signed.algorithm.der)) throw inner.damage('two different signature algorithms')
}

/** Lower-case hexadecimal, two digits for each byte, no leading zero bytes: the one form that serials are compared in. */
export function serialOf(value: DerValue): string {
  const bytes = value.unsigned()
  if (bytes.length > serialBytesMax) throw value.damage('a serial number that is too long')
  return bytes.toString('hex')
}

/** The same form from what Node and OpenSSL print: upper case, and a lone "0". */
export function serialFromText(text: string): string {
  const digits = text.toLowerCase().replace(/^(?:00)+(?=..)/, '')
  return digits.length % 2 === 0 ? digits : `0${digits}`
}

/** SHA-256 of the whole certificate, lower-case hexadecimal. */
export const fingerprintOf = ({ der }: { readonly der: Uint8Array }): string =>
  createHash('sha256').update(der).digest('hex')
