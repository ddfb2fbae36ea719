import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type KeySet, keySetText, type VerificationKey, verificationKeyOf } from '../../src/tokens/key-set.ts'

export interface MadeKey {
  readonly key: KeyObject
  readonly algorithm: string
  readonly verification: VerificationKey
}

const kinds: Readonly<Record<string, () => KeyObject>> = {
  EdDSA: () => generateKeyPairSync('ed25519').privateKey,
  ES256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  ES384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey,
  ES512: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }).privateKey,
  RS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  PS256: () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
}

export async function makeKey(algorithm = 'EdDSA', id?: string): Promise<MadeKey> {
  const key = kinds[algorithm]!()
  return { key, algorithm, verification: await verificationKeyOf(createPublicKey(key), { id, algorithm }) }
}

export const setOf = (...keys: readonly MadeKey[]): KeySet =>
  new Map(keys.map(({ verification }) => [verification.id, verification]))
export const setText = (...keys: readonly MadeKey[]): string => keySetText(setOf(...keys))
export const pemOf = ({ key }: MadeKey): string => String(key.export({ format: 'pem', type: 'pkcs8' }))

/** A folder that is gone when the tests are done. */
export function keyFolder(after: (work: () => void) => void): (name: string, text: string, mode?: number) => string {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-tokens-'))
  after(() => rmSync(dir, { recursive: true, force: true }))
  return (name, text, mode = 0o600) => {
    const file = join(dir, name)
    writeFileSync(file, text, { mode })
    return file
  }
}

const part = (value: unknown): string =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

const signatures: Readonly<Record<string, (key: KeyObject, text: Buffer) => Buffer>> = {
  EdDSA: (key, text) => sign(null, text, key),
  ES256: (key, text) => sign('sha256', text, { key, dsaEncoding: 'ieee-p1363' }),
  ES384: (key, text) => sign('sha384', text, { key, dsaEncoding: 'ieee-p1363' }),
  ES512: (key, text) => sign('sha512', text, { key, dsaEncoding: 'ieee-p1363' }),
  RS256: (key, text) => sign('sha256', text, key),
  PS256: (key, text) => sign('sha256', text, { key, padding: 6, saltLength: 32 }),
}

/** Whatever header and payload, signed as the key would: texts go in as they are. */
export function forge({ key, algorithm }: MadeKey, header: unknown, payload: unknown): string {
  const signed = `${part(header)}.${part(payload)}`
  return `${signed}.${signatures[algorithm]!(key, Buffer.from(signed)).toString('base64url')}`
}

export function forgeWithSecret(secret: string, header: unknown, payload: unknown): string {
  const signed = `${part(header)}.${part(payload)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}

export const unsigned = (header: unknown, payload: unknown): string => `${part(header)}.${part(payload)}.`
