import { createPublicKey, type KeyObject } from 'node:crypto'
import { X509Error } from './x509-error.ts'

const curveNames: ReadonlyMap<string, string> = new Map([
  ['prime256v1', 'P-256'],
  ['secp384r1', 'P-384'],
  ['secp521r1', 'P-521'],
])
const rsaBitsMin = 2048
/** Verifying with a larger key costs milliseconds, and that of the other side's choosing. */
const rsaBitsMax = 8192
const rsaExponentMin = 65_537n

/** @param spki SubjectPublicKeyInfo. @throws X509Error if it is damaged or of a kind that nobody can use here. */
export function publicKeyOf(spki: Buffer): KeyObject {
  try {
    return createPublicKey({ key: spki, format: 'der', type: 'spki' })
  } catch (error) {
    throw new X509Error('the public key cannot be used', { cause: error })
  }
}

/** In a few words: "EC P-256", "RSA 2048", "ED25519". */
export function showKey(key: KeyObject): string {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'ec')
    return `EC ${curveNames.get(details?.namedCurve ?? '') ?? details?.namedCurve ?? 'of no known curve'}`
  if (type === 'rsa' || type === 'rsa-pss') return `RSA ${details?.modulusLength}`
  return (type ?? 'unknown').toUpperCase()
}

/** Why a certificate for `key` is not to be issued or accepted, or null. */
export function keyProblem(key: KeyObject): string | null {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (type === 'ed25519') return null
  if (type === 'ec') return curveNames.has(details?.namedCurve ?? '') ? null : `${showKey(key)} keys are not accepted`
  if (type !== 'rsa' && type !== 'rsa-pss') return `${showKey(key)} keys are not accepted`
  const bits = details?.modulusLength ?? 0
  if (bits < rsaBitsMin) return `an RSA key of ${bits} bits is too weak (at least ${rsaBitsMin})`
  if (bits > rsaBitsMax) return `an RSA key of ${bits} bits is too large (at most ${rsaBitsMax})`
  if ((details?.publicExponent ?? 0n) < rsaExponentMin)
    return `an RSA key with exponent ${details?.publicExponent} is too weak`
  return null
}
