import { createPrivateKey, createPublicKey, type KeyObject, type webcrypto } from 'node:crypto'
import { statSync } from 'node:fs'
import { limits } from '../base/limits.ts'
import { readBounded, readingProblem } from '../files/read-bounded.ts'
import { isKeyId, type VerificationKey, verificationKeyOf } from './key-set.ts'
import { parseStrictJson } from './strict-json.ts'
import { TokenKeyError } from './token-key-error.ts'

/** What tokens are signed with, and its public half as others need it. */
export interface SigningKey {
  readonly key: KeyObject
  readonly algorithm: string
  readonly verification: VerificationKey
}

/**
 * Reads a private key: PKCS #8 in PEM, or a JWK, which may name its `kid` and `alg`.
 *
 * @throws TokenKeyError also if others may read the file.
 */
export async function readSigningKey(file: string, kinds: 'regular' | 'any' = 'regular'): Promise<SigningKey> {
  let text: string
  try {
    if ((statSync(file).mode & 0o077) !== 0) throw new TokenKeyError(`${file}: others may read it: chmod 600`)
    text = readBounded(file, limits.tokenKeysBytesMax, kinds).toString('utf8')
  } catch (error) {
    if (error instanceof TokenKeyError) throw error
    throw new TokenKeyError(`${file}: ${readingProblem(error)}`)
  }
  const { key, id, algorithm } = text.trimStart().startsWith('{') ? ofJwk(text, file) : ofPem(text, file)
  try {
    const verification = await verificationKeyOf(createPublicKey(key), { id, algorithm })
    return { key, algorithm: verification.algorithms[0]!, verification }
  } catch (error) {
    if (error instanceof TokenKeyError) throw new TokenKeyError(`${file}: ${error.message}`)
    throw error
  }
}

interface Read {
  readonly key: KeyObject
  readonly id?: string | undefined
  readonly algorithm?: string | undefined
}

function ofPem(text: string, file: string): Read {
  try {
    return { key: createPrivateKey(text) }
  } catch {
    // The text of a failure to parse could quote the key.
    throw new TokenKeyError(`${file}: not a private key in PEM without a passphrase`)
  }
}

function ofJwk(text: string, file: string): Read {
  try {
    const jwk = parseStrictJson(text) as webcrypto.JsonWebKey & { readonly kid?: unknown; readonly alg?: unknown }
    const { kid, alg } = jwk
    if ((kid === undefined || isKeyId(kid)) && (alg === undefined || typeof alg === 'string')) {
      return { key: createPrivateKey({ key: jwk, format: 'jwk' }), id: kid, algorithm: alg }
    }
  } catch {
    // As above.
  }
  throw new TokenKeyError(`${file}: not a private key as a JWK`)
}
