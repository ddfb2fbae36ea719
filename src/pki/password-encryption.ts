import { createCipheriv, pbkdf2Sync, randomBytes } from 'node:crypto'
import * as der from './der.ts'

const oids = {
  pbes2: '1.2.840.113549.1.5.13',
  pbkdf2: '1.2.840.113549.1.5.12',
  hmacWithSha256: '1.2.840.113549.2.9',
  aes256Cbc: '2.16.840.1.101.3.4.1.42',
} as const

/** What OWASP recommends for PBKDF2 with SHA-256; a third of a second for who knows the passphrase. Node's own form has 2048. */
const iterations = 600_000

/** AlgorithmIdentifier and bytes. @source RFC 8018 section 6.2 (PBES2). */
export function encryptWithPassphrase(bytes: Uint8Array, passphrase: string) {
  const salt = randomBytes(16)
  const iv = randomBytes(16)
  const key = pbkdf2Sync(passphrase, salt, iterations, 32, 'sha256')
  const cipher = createCipheriv('aes-256-cbc', key, iv)
  const encrypted = Buffer.concat([cipher.update(bytes), cipher.final()])
  const keyDerivation = der.sequence(
    der.octetString(salt),
    der.smallInteger(iterations),
    der.sequence(der.oid(oids.hmacWithSha256), der.nothing()),
  )
  const algorithm = der.sequence(
    der.oid(oids.pbes2),
    der.sequence(
      der.sequence(der.oid(oids.pbkdf2), keyDerivation),
      der.sequence(der.oid(oids.aes256Cbc), der.octetString(iv)),
    ),
  )
  return { algorithm, encrypted }
}

/** EncryptedPrivateKeyInfo. @param pkcs8 PrivateKeyInfo in DER. @source RFC 5958 section 3. */
export function encryptKey(pkcs8: Uint8Array, passphrase: string): der.Der {
  const { algorithm, encrypted } = encryptWithPassphrase(pkcs8, passphrase)
  return der.sequence(algorithm, der.octetString(encrypted))
}
