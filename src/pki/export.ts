import { existsSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { type Certificate, commonNamesOf, issuanceProblem, pem } from '../x509/index.ts'
import { readCertificateFile } from './authority-folder.ts'
import { pkcs12 } from './pkcs12.ts'
import { PkiError } from './pki-error.ts'
import { checkPrivate, makeFolder, readText, writeNew } from './private-files.ts'
import { checkPassphrase, exportKey, isKeyOf, parseKey } from './private-key.ts'

export const exportFormats = ['pkcs12', 'bundle', 'chain'] as const

export interface ExportOptions {
  /** `pkcs12`: key and certificates, encrypted; `bundle`: the same in PEM; `chain`: the certificates only. */
  readonly format: string
  /** The certificate, and what stands above it. */
  readonly certFile: string
  /** For `pkcs12` and `bundle`. */
  readonly keyFile: string | null
  /** Authorities to add behind; null: none. */
  readonly caFile: string | null
  /** Encrypts the key: required for `pkcs12`. */
  readonly passphrase: string | null
  /** Never overwritten. */
  readonly outFile: string
}

/** @throws PkiError naming the file that does not fit. */
export function exportCertificate(options: ExportOptions): void {
  const { certFile, keyFile, caFile, passphrase, outFile } = options
  const format = exportFormats.find((each) => each === options.format)
  if (format === undefined)
    throw new PkiError(`unknown format ${options.format}: use one of ${exportFormats.join(', ')}`)
  if (existsSync(outFile)) throw new PkiError(`${outFile}: exists already; it is not overwritten`)
  const certificates = chainOf(certFile, caFile)
  const bytes = contents()
  makeFolder(dirname(outFile))
  writeNew(dirname(outFile), basename(outFile), bytes)

  function contents(): string | Buffer {
    const chain = certificates.map((each) => pem('CERTIFICATE', each.der)).join('')
    if (format === 'chain') return chain
    if (keyFile === null) throw new PkiError(`format ${format} needs a key file`)
    checkPrivate(keyFile, 'private key')
    const key = parseKey(readText(keyFile), null, keyFile)
    if (!isKeyOf(key, certificates[0]!.publicKey))
      throw new PkiError(`${keyFile}: the private key does not belong to the certificate in ${certFile}`)
    if (format === 'bundle') return exportKey(key, passphrase) + chain
    if (passphrase === null) throw new PkiError('format pkcs12 needs a passphrase')
    checkPassphrase(passphrase)
    return pkcs12({ key, certificates, friendlyName: nameOf(certificates[0]!) }, passphrase)
  }
}

/** Each issued by the next, as far as that goes; what does not belong is refused, not passed on. */
function chainOf(certFile: string, caFile: string | null): Certificate[] {
  const chain = readCertificateFile(certFile)
  for (const [i, certificate] of chain.slice(0, -1).entries()) {
    const problem = issuanceProblem(certificate, chain[i + 1]!)
    if (problem !== null)
      throw new PkiError(`${certFile}: certificate ${i + 2} did not issue the one before: ${problem}`)
  }
  if (caFile === null) return chain
  const top = chain.at(-1)!
  const issuers = readCertificateFile(caFile).filter((issuer) => issuanceProblem(top, issuer) === null)
  if (issuers.length === 0) throw new PkiError(`${caFile}: has no issuer of the certificate in ${certFile}`)
  return [...chain, ...issuers.slice(0, 1)]
}

const nameOf = (certificate: Certificate): string => commonNamesOf(certificate.subject)[0] ?? certificate.serial
