import { createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'
import { calculateJwkThumbprint, type JWK } from 'jose'
import { limits } from '../base/limits.ts'
import { algorithmsOf, keyProblem } from '../security/token-algorithms.ts'
import { parseStrictJson } from './strict-json.ts'
import { TokenKeyError } from './token-key-error.ts'

export interface VerificationKey {
  /** RFC 7638. */
  readonly thumbprint: string
  /** Its `kid`; its thumbprint (RFC 7638) unless it was given another. */
  readonly id: string
  /** Whether a token may leave the id out: the key had none. */
  readonly isNamed: boolean
  readonly key: KeyObject
  /** Of which a token must say one. */
  readonly algorithms: readonly string[]
  /** Public members only. */
  readonly jwk: JWK
}

/** By id. */
export type KeySet = ReadonlyMap<string, VerificationKey>

/** Members of a JWK that are secret, of all its kinds (RFC 7518, 6.2.2, 6.3.2, 6.4.1). */
const secretMembers = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k'] as const

/**
 * @param source for refusals: a file or an address.
 * @param whose `own`: every key must be usable, and is for one algorithm. `outside`: issuers publish keys of many kinds; those
 *   that are of no use here are left out, and one that names no algorithm is good for all that fit it.
 * @throws TokenKeyError
 */
export async function parseKeySet(text: string, source: string, whose: 'own' | 'outside'): Promise<KeySet> {
  if (Buffer.byteLength(text) > limits.tokenKeysBytesMax) throw new TokenKeyError(`${source}: too large for a key set`)
  const entries = entriesOf(text, source)
  const keys = new Map<string, VerificationKey>()
  for (const entry of entries) {
    const key = await readKey(entry, whose)
    if (typeof key === 'string') {
      if (whose === 'own') throw new TokenKeyError(`${source}: ${key}`)
      continue
    }
    if (keys.has(key.id)) throw new TokenKeyError(`${source}: two keys have one kid`)
    keys.set(key.id, key)
  }
  if (keys.size === 0 && entries.length > 0) throw new TokenKeyError(`${source}: none of the keys can be used here`)
  return keys
}

export const hasKey = (keys: KeySet, thumbprint: string): boolean =>
  [...keys.values()].some((key) => key.thumbprint === thumbprint)

/** What is published of keys: RFC 7517. */
export const keySetText = (keys: KeySet): string =>
  `${JSON.stringify({ keys: [...keys.values()].map(({ jwk }) => jwk) }, null, 2)}\n`

/** A key as an entry of a set, with its thumbprint for an id if there is none. @throws TokenKeyError */
export async function verificationKeyOf(
  key: KeyObject,
  named: { readonly id?: string | undefined; readonly algorithm?: string | undefined },
): Promise<VerificationKey> {
  const exported = key.export({ format: 'jwk' }) as JWK
  const thumbprint = await calculateJwkThumbprint(exported)
  const id = named.id ?? thumbprint
  const algorithm = named.algorithm ?? algorithmsOf(key)[0]
  if (algorithm === undefined) throw new TokenKeyError(`no key for tokens: ${keyProblem(key, 'EdDSA')}`)
  const problem = keyProblem(key, algorithm)
  if (problem !== null || algorithm.startsWith('HS')) throw new TokenKeyError(problem ?? 'a shared secret')
  const jwk = { ...exported, kid: id, alg: algorithm, use: 'sig' }
  return { thumbprint, id, isNamed: true, key, algorithms: [algorithm], jwk }
}

function entriesOf(text: string, source: string): readonly unknown[] {
  let value: unknown
  try {
    value = parseStrictJson(text)
  } catch {
    // The text of a failure to parse would quote the file.
    throw new TokenKeyError(`${source}: not JSON`)
  }
  const keys = typeof value === 'object' && value !== null && 'keys' in value ? value.keys : null
  if (!Array.isArray(keys)) throw new TokenKeyError(`${source}: not a key set (RFC 7517): there is no list of keys`)
  if (keys.length > limits.tokenKeysMax) throw new TokenKeyError(`${source}: more than ${limits.tokenKeysMax} keys`)
  return keys
}

/** @returns why the key is of no use. */
async function readKey(entry: unknown, whose: 'own' | 'outside'): Promise<VerificationKey | string> {
  if (typeof entry !== 'object' || entry === null) return 'a key is no object'
  const jwk = entry as JWK
  const { kid, alg, use, key_ops: uses } = jwk
  if (kid !== undefined && !isKeyId(kid)) return 'a kid is no short text'
  const name = kid === undefined ? 'a key' : `key ${JSON.stringify(kid)}`
  if (secretMembers.some((member) => Object.hasOwn(jwk, member))) return `${name} is not only a public one`
  if (use !== undefined && use !== 'sig') return `${name} is not for signatures`
  if (uses !== undefined && !(Array.isArray(uses) && uses.includes('verify'))) return `${name} is not for verifying`
  if (alg !== undefined && typeof alg !== 'string') return `the algorithm of ${name} is no text`
  let key: KeyObject
  try {
    key = createPublicKey({ key: jwk as webcrypto.JsonWebKey, format: 'jwk' })
  } catch {
    return `${name} cannot be read`
  }
  const fitting = algorithmsOf(key)
  if (fitting.length === 0) return `${name} is too weak, or of no kind that is used here`
  if (alg !== undefined && !fitting.includes(alg)) return `${name} is none for the algorithm that it names`
  const made = await verificationKeyOf(key, { id: kid, algorithm: alg })
  const algorithms = alg === undefined && whose === 'outside' ? fitting : made.algorithms
  return { ...made, isNamed: kid !== undefined, algorithms }
}

const keyIdCharsMax = 256

export const isKeyId = (value: unknown): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= keyIdCharsMax && !/\p{Cc}/u.test(value)
