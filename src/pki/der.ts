/** The few ASN.1 shapes of a certificate, over node-forge's encoder. Values are binary strings there. */
import forge from 'node-forge'

const { asn1 } = forge
const { Class, Type } = asn1

export type Der = forge.asn1.Asn1

export const sequence = (...items: Der[]): Der => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, items)

/** As `sequence`, for more values than a call takes arguments. */
export const sequenceOf = (items: Der[]): Der => asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, items)

export const set = (...items: Der[]): Der => asn1.create(Class.UNIVERSAL, Type.SET, true, items)

export const oid = (dotted: string): Der =>
  asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(dotted).getBytes())

/** @param value from 0 to 2^53 - 1. */
export function smallInteger(value: number): Der {
  const hex = value.toString(16)
  const bytes = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, 'hex')
  return integer(bytes[0]! < 0x80 ? bytes : Buffer.concat([Buffer.of(0), bytes]))
}

/** @param bytes big-endian two's complement, minimal. */
export const integer = (bytes: Uint8Array): Der => asn1.create(Class.UNIVERSAL, Type.INTEGER, false, binary(bytes))

export const boolean = (value: boolean): Der =>
  asn1.create(Class.UNIVERSAL, Type.BOOLEAN, false, value ? '\xff' : '\x00')

export const enumerated = (value: number): Der =>
  asn1.create(Class.UNIVERSAL, Type.ENUMERATED, false, String.fromCharCode(value))

export const nothing = (): Der => asn1.create(Class.UNIVERSAL, Type.NULL, false, '')

export const octetString = (bytes: Uint8Array): Der =>
  asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, binary(bytes))

/** @param unusedBits of the last byte. */
export const bitString = (bytes: Uint8Array, unusedBits = 0): Der =>
  asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, String.fromCharCode(unusedBits) + binary(bytes))

/** Two bytes a character, as PKCS #12 has its names. The one type whose value is text for node-forge, not bytes. */
export const bmpString = (text: string): Der => asn1.create(Class.UNIVERSAL, Type.BMPSTRING, false, text)

export const utf8String = (text: string): Der =>
  asn1.create(Class.UNIVERSAL, Type.UTF8, false, binary(Buffer.from(text, 'utf8')))

/** [tag] around `inner`. */
export const explicit = (tag: number, inner: Der): Der => asn1.create(Class.CONTEXT_SPECIFIC, tag, true, [inner])

/** [tag] IMPLICIT around several values. */
export const implicitItems = (tag: number, ...items: Der[]): Der =>
  asn1.create(Class.CONTEXT_SPECIFIC, tag, true, items)

/** [tag] IMPLICIT, primitive. */
export const implicit = (tag: number, bytes: Uint8Array): Der =>
  asn1.create(Class.CONTEXT_SPECIFIC, tag, false, binary(bytes))

/** UTCTime up to 2049, GeneralizedTime from then on; whole seconds. @source RFC 5280 section 4.1.2.5. */
export const time = (date: Date): Der =>
  date.getUTCFullYear() < 2050
    ? asn1.create(Class.UNIVERSAL, Type.UTCTIME, false, asn1.dateToUtcTime(date))
    : asn1.create(Class.UNIVERSAL, Type.GENERALIZEDTIME, false, asn1.dateToGeneralizedTime(date))

export const encode = (value: Der): Buffer => Buffer.from(asn1.toDer(value).getBytes(), 'latin1')

// The published types know only an older signature.
const fromDer = asn1.fromDer as unknown as (
  bytes: string,
  options: { strict: boolean; decodeBitStrings: boolean },
) => Der

/**
 * For bytes that are known to be good, to be put into something larger. Bit strings stay as they are, so that what is read
 * is written again byte for byte.
 */
export const decode = (bytes: Uint8Array): Der => fromDer(binary(bytes), { strict: true, decodeBitStrings: false })

const binary = (bytes: Uint8Array): string => Buffer.from(bytes).toString('latin1')
