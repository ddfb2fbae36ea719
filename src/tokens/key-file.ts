import { createPublicKey, generateKeyPairSync, type KeyObject, X509Certificate } from 'node:crypto'
import { existsSync, realpathSync } from 'node:fs'
import { lockFile } from '../files/lock-file.ts'
import { readingProblem } from '../files/read-bounded.ts'
import { createWholeFile, replaceWholeFile } from '../files/whole-file.ts'
import { type KeySet, keySetText, parseKeySet, type VerificationKey, verificationKeyOf } from './key-set.ts'
import { readKeyFile } from './read-key-file.ts'
import { readSigningKey, type SigningKey } from './signing-key.ts'
import { TokenKeyError } from './token-key-error.ts'

/** Kinds of keys that can be made here, by the algorithm that they are for. */
const generators: Readonly<Record<string, () => KeyObject>> = {
  EdDSA: () => generateKeyPairSync('ed25519').privateKey,
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
  ES512: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey,
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey,
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey,
}
export const generatedAlgorithms = Object.keys(generators)

/** None if there is no such file. @throws TokenKeyError */
export async function readKeys(file: string): Promise<KeySet> {
  return existsSync(file) ? parseKeySet(readKeyFile(file), file, 'own') : new Map()
}

/**
 * Makes a key and writes it to a new file, as a JWK that says what it is for. A file that is there is not written over.
 *
 * @throws TokenKeyError
 */
export async function makeSigningKey(file: string, algorithm: string): Promise<SigningKey> {
  const generate = generators[algorithm]
  if (generate === undefined) throw new TokenKeyError(`no keys are made for ${algorithm}`)
  const key = generate()
  const { jwk } = await verificationKeyOf(createPublicKey(key), { algorithm })
  const { kid, alg, use } = jwk
  const text = `${JSON.stringify({ ...key.export({ format: 'jwk' }), kid, alg, use })}\n`
  write(file, () => createWholeFile(file, text))
  return readSigningKey(file)
}

/** @throws TokenKeyError if another key has that id, or the file cannot be written. */
export function addKey(file: string, key: VerificationKey): Promise<'added' | 'there already'> {
  return alone(file, async () => {
    const keys = await readKeys(file)
    const before = keys.get(key.id)
    if (before !== undefined) {
      if (before.key.equals(key.key)) return 'there already'
      throw new TokenKeyError(`${file}: another key has the kid ${key.id}`)
    }
    writeKeys(file, new Map([...keys, [key.id, key]]))
    return 'added'
  })
}

/** @throws TokenKeyError if it is not there, or the last one. */
export function retireKey(file: string, id: string): Promise<void> {
  return alone(file, async () => {
    const keys = new Map(await readKeys(file))
    if (!keys.delete(id)) throw new TokenKeyError(`${file}: there is no key ${id}`)
    if (keys.size === 0) throw new TokenKeyError(`${file}: it is the last one: no token could be verified any more`)
    writeKeys(file, keys)
  })
}

const lockWaitMsMax = 10_000

/**
 * Runs `work`, which reads the file and then replaces it, while no other command does so: of two keys that are added at once,
 * one would be lost. The lock is on a file beside it (beside what a link leads to), which stays.
 */
async function alone<T>(file: string, work: () => Promise<T>): Promise<T> {
  const lock = `${existsSync(file) ? realpathSync(file) : file}.lock`
  let unlock: (() => void) | null
  try {
    unlock = lockFile(lock, lockWaitMsMax)
  } catch (error) {
    throw new TokenKeyError(`${lock}: cannot be locked: ${readingProblem(error)}`)
  }
  if (unlock === null) throw new TokenKeyError(`${file}: another command is at work on it`)
  try {
    return await work()
  } finally {
    unlock()
  }
}

/**
 * Public keys of whatever a file has: a JWK set, a signing key, a public key or a certificate in PEM.
 *
 * @throws TokenKeyError
 */
export async function publicKeysOf(file: string): Promise<readonly VerificationKey[]> {
  const text = readKeyFile(file, 'any')
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(text)) return [(await readSigningKey(file)).verification]
  if (text.includes('-----BEGIN')) return [await verificationKeyOf(publicKeyOfPem(text, file), {})]
  if (/"keys"\s*:/.test(text)) return [...(await parseKeySet(text, file, 'own')).values()]
  if (/"d"\s*:/.test(text)) return [(await readSigningKey(file)).verification]
  return [...(await parseKeySet(`{"keys":[${text}]}`, file, 'own')).values()]
}

function publicKeyOfPem(text: string, file: string): KeyObject {
  try {
    return text.includes('CERTIFICATE') ? new X509Certificate(text).publicKey : createPublicKey(text)
  } catch {
    throw new TokenKeyError(`${file}: not a public key or certificate in PEM`)
  }
}

/** Whoever could read the file can do so still. @throws TokenKeyError also from who may not give it to its owner. */
function writeKeys(file: string, keys: KeySet): void {
  write(file, () => replaceWholeFile(file, keySetText(keys), 0o644))
}

/** @throws TokenKeyError */
function write(file: string, work: () => void): void {
  try {
    work()
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unwritable'
    throw new TokenKeyError(code === 'EEXIST' ? `${file}: exists already; it is not overwritten` : `${file}: ${code}`)
  }
}
