import type { KeyObject } from 'node:crypto'

const rsaBitsMin = 2048

const curves: Readonly<Record<string, string>> = { ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' }
const secretBytesMin: Readonly<Record<string, number>> = { HS256: 32, HS384: 48, HS512: 64 }

/** Of keys with two halves: what the members verify with is no secret. The first one of a kind is that of a key that names none. */
export const signatureAlgorithms = [
  ...['EdDSA', 'ES256', 'ES384', 'ES512'],
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
] as const

/** Null if the key is one for the algorithm, and strong enough; else why not. */
export function keyProblem(key: KeyObject, algorithm: string): string | null {
  const { asymmetricKeyType: type, asymmetricKeyDetails: details } = key
  if (algorithm.startsWith('HS')) {
    const least = secretBytesMin[algorithm] ?? 0
    return (key.symmetricKeySize ?? 0) < least ? `a secret for ${algorithm} needs ${least} bytes` : null
  }
  if (algorithm.startsWith('RS') || algorithm.startsWith('PS')) {
    if (type !== 'rsa') return `${algorithm} needs an RSA key, not ${type}`
    return (details?.modulusLength ?? 0) < rsaBitsMin ? `an RSA key needs ${rsaBitsMin} bits` : null
  }
  if (algorithm === 'EdDSA') return type === 'ed25519' ? null : `EdDSA needs an Ed25519 key, not ${type}`
  const curve = curves[algorithm]
  if (curve === undefined) return `no such algorithm: ${JSON.stringify(algorithm.slice(0, 20))}`
  return type === 'ec' && details?.namedCurve === curve ? null : `${algorithm} needs a key on the curve ${curve}`
}

/** All that a key can be used with here; none for a weak one, or one of another kind. */
export const algorithmsOf = (key: KeyObject): string[] =>
  key.type === 'secret' ? [] : signatureAlgorithms.filter((algorithm) => keyProblem(key, algorithm) === null)
