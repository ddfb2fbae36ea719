import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { pem, pemBlocks, X509Error } from '../x509/index.ts'
import * as der from './der.ts'
import { encryptKey } from './password-encryption.ts'
import { PkiError } from './pki-error.ts'

export const newKey = (): { readonly publicKey: KeyObject; readonly privateKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' })

const passphraseLengthMin = 8

/** PKCS #8, PEM. @param passphrase null: not encrypted. @throws PkiError if it is too short. */
export function exportKey(key: KeyObject, passphrase: string | null): string {
  const bytes = key.export({ type: 'pkcs8', format: 'der' })
  if (passphrase === null) return pem('PRIVATE KEY', bytes)
  checkPassphrase(passphrase)
  return pem('ENCRYPTED PRIVATE KEY', der.encode(encryptKey(bytes, passphrase)))
}

export function checkPassphrase(passphrase: string): void {
  if (passphrase.length < passphraseLengthMin)
    throw new PkiError(`the passphrase is too short: at least ${passphraseLengthMin} characters`)
}

const keyLabels = new Set(['PRIVATE KEY', 'ENCRYPTED PRIVATE KEY', 'EC PRIVATE KEY', 'RSA PRIVATE KEY'])

/** Whether a key file asks for a passphrase. @param text PEM. */
export const isEncrypted = (text: string): boolean =>
  /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: *4, *ENCRYPTED/m.test(text)

/**
 * @param text PEM: PKCS #8, or the older forms for EC and RSA.
 * @param what for messages: "the authority key", or a file's name.
 * @throws PkiError without a cause: a parser's message may quote its input.
 */
export function parseKey(text: string, passphrase: string | null, what: string): KeyObject {
  let labels: string[]
  try {
    labels = pemBlocks(text).map(({ label }) => label)
  } catch (error) {
    if (error instanceof X509Error) throw new PkiError(`${what} cannot be parsed: ${error.message}`)
    throw error
  }
  if (!labels.some((label) => keyLabels.has(label))) throw new PkiError(`${what} cannot be parsed: no key in it`)
  const encrypted = isEncrypted(text)
  if (encrypted && passphrase === null) throw new PkiError(`${what} is encrypted: a passphrase is needed`)
  try {
    return createPrivateKey(encrypted ? { key: text, passphrase: passphrase! } : { key: text })
  } catch {
    throw new PkiError(encrypted ? `${what} cannot be decrypted: wrong passphrase` : `${what} cannot be parsed`)
  }
}

/** Whether both are of one pair. */
export const isKeyOf = (privateKey: KeyObject, publicKey: KeyObject): boolean =>
  createPublicKey(privateKey).equals(publicKey)
