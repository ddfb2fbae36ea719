import { existsSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { pem, readCertificates, X509Error } from '../x509/index.ts'
import { backdateMs } from './authority.ts'
import { keyIdentifier, randomSerial, signCertificate } from './certificate.ts'
import { basicConstraints, extendedKeyUsage, keyUsage, subjectAltName, subjectKeyIdentifier } from './extension.ts'
import { PkiError } from './pki-error.ts'
import { checkPrivate, makeFolder, readText, replaceFile } from './private-files.ts'
import { exportKey, isKeyOf, newKey, parseKey } from './private-key.ts'
import { subjectName } from './subject-names.ts'

export interface SelfSignedOptions {
  /** Made if missing, private. Holds `cert.pem` and `key.pem`. */
  readonly dir: string
  /** DNS names and IP addresses that it is for. */
  readonly hosts: readonly string[]
  readonly validityDays: number
}

const msPerDay = 24 * 60 * 60 * 1000

/** Where they are, or will be. */
export const selfSignedFiles = (dir: string) => ({ certFile: join(dir, 'cert.pem'), keyFile: join(dir, 'key.pem') })

/**
 * A key and a certificate that it signs itself: encryption, and nobody's word on who has the key. What is there stays if it
 * is for all of `hosts` and two thirds of its time are not over.
 *
 * @returns whether they were made anew. @throws PkiError
 */
export function makeSelfSigned({ dir, hosts, validityDays }: SelfSignedOptions, nowMs: number = Date.now()): boolean {
  makeFolder(dir)
  checkPrivate(dir, 'folder')
  if (isGood(dir, hosts, nowMs)) return false
  const { publicKey, privateKey } = newKey()
  const subject = subjectName('leasehold, self-signed')
  const dnsNames = hosts.filter((host) => isIP(host) === 0)
  const ipAddresses = hosts.filter((host) => isIP(host) !== 0)
  const certificate = signCertificate(
    {
      serial: randomSerial(),
      issuer: subject,
      subject,
      notBefore: new Date(nowMs - backdateMs),
      notAfter: new Date(nowMs + validityDays * msPerDay),
      publicKey,
      extensions: [
        basicConstraints(null),
        keyUsage(false),
        extendedKeyUsage(['serverAuth', 'clientAuth']),
        subjectKeyIdentifier(keyIdentifier(publicKey)),
        subjectAltName({ dnsNames, ipAddresses, uris: [] }, false),
      ],
    },
    privateKey,
  )
  // A crash in between leaves two that do not belong together, which are made anew the next time.
  replaceFile(dir, 'key.pem', exportKey(privateKey, null))
  replaceFile(dir, 'cert.pem', pem('CERTIFICATE', certificate))
  return true
}

function isGood(dir: string, hosts: readonly string[], nowMs: number): boolean {
  const { certFile, keyFile } = selfSignedFiles(dir)
  if (!existsSync(certFile) || !existsSync(keyFile)) return false
  checkPrivate(keyFile, 'private key')
  try {
    const [certificate] = readCertificates(Buffer.from(readText(certFile), 'latin1'))
    const { notBeforeMs, notAfterMs, extensions, publicKey } = certificate!
    if (nowMs < notBeforeMs || notAfterMs - nowMs <= (notAfterMs - notBeforeMs) / 3) return false
    const names = new Set(extensions.alternativeNames.map(({ value }) => value))
    return hosts.every((host) => names.has(host)) && isKeyOf(parseKey(readText(keyFile), null, keyFile), publicKey)
  } catch (error) {
    // Damaged, and nobody else's: nothing is lost by making them anew.
    if (error instanceof X509Error || error instanceof PkiError) return false
    throw error
  }
}
