import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto'
import { statSync } from 'node:fs'
import { limits } from '../base/limits.ts'
import { readBounded } from '../files/read-bounded.ts'
import { replaceWholeFile } from '../files/whole-file.ts'
import { signedMessage } from './seal.ts'

/** An Ed25519 key that signs checkpoints. */
export interface SigningKey {
  /** SHA-256 of the public key as SubjectPublicKeyInfo, in hex. */
  readonly fingerprint: string
  readonly publicPem: string
  /** @returns in base64. */
  sign(hash: string): string
}

export function signingKey(privatePem: string | Uint8Array): SigningKey {
  const key = createPrivateKey(Buffer.from(privatePem))
  const publicKey = createPublicKey(key)
  if (key.asymmetricKeyType !== 'ed25519') throw new Error('is no Ed25519 key')
  return {
    fingerprint: fingerprintOf(publicKey),
    publicPem: publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    sign: (hash) => sign(null, signedMessage(hash), key).toString('base64'),
  }
}

/**
 * The key in `file`, which is made if there is none.
 *
 * @throws Error in one line if it cannot be read or made, is of another kind, or others may read it.
 */
export function openSigningKey(file: string): SigningKey {
  try {
    if (statSync(file, { throwIfNoEntry: false }) === undefined) makeKey(file)
    if ((statSync(file).mode & 0o077) !== 0) throw new Error('may be read by others: run chmod 600 on it')
    return signingKey(readBounded(file, limits.smallFileBytesMax, 'regular'))
  } catch (error) {
    throw new Error(`the key of the audit trail, ${file}: ${reasonOf(error)}`, { cause: error })
  }
}

function makeKey(file: string): void {
  const { privateKey } = generateKeyPairSync('ed25519')
  replaceWholeFile(file, privateKey.export({ type: 'pkcs8', format: 'pem' }).toString())
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error)
  const { code } = error as NodeJS.ErrnoException
  // What OpenSSL says of a file that is no key helps nobody.
  return code === undefined ? error.message : code.startsWith('ERR_') ? 'is no private key in PEM' : code
}

const fingerprintOf = (publicKey: KeyObject): string =>
  createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex')

/** Keys that checkpoints may be signed with, by their fingerprints. */
export type VerificationKeys = ReadonlyMap<string, KeyObject>

/** @param pems public or private keys. @throws Error for anything but Ed25519 keys. */
export function verificationKeys(pems: readonly (string | Uint8Array)[]): VerificationKeys {
  return new Map(
    pems.map((pem) => {
      const key = createPublicKey(Buffer.from(pem))
      if (key.asymmetricKeyType !== 'ed25519') throw new Error('is no Ed25519 key')
      return [fingerprintOf(key), key]
    }),
  )
}

export const isSignedBy = (key: KeyObject, hash: string, signature: string): boolean =>
  verify(null, signedMessage(hash), key, Buffer.from(signature, 'base64'))
