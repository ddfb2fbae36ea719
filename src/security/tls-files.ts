import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { readFileSync, type Stats, statSync } from 'node:fs'
import type { TlsFiles } from '../config/member-config.ts'
import {
  type Certificate,
  keyProblem,
  readCertificates,
  readRevocationLists,
  showName,
  X509Error,
} from '../x509/index.ts'
import { Revocations } from './revocations.ts'

/** A certificate, key or CA file that cannot be used. The message is one line that names the file and the reason. */
export class TlsFileError extends Error {
  override readonly name = 'TlsFileError'
  readonly file: string
  constructor(file: string, reason: string, options?: { cause?: unknown }) {
    super(`${file}: ${reason}`, options)
    this.file = file
  }
}

/** The contents of a set of TLS files, read at one moment and found to fit together. */
export interface TlsMaterial {
  /** PEM: the leaf first, then intermediates if there are any. */
  readonly certificate: string
  /** PEM, not encrypted. Secret. */
  readonly key: string
  /** Null: no authority was named. */
  readonly authorities: readonly Certificate[] | null
  /** Null: revocation is not checked. */
  readonly revocations: Revocations | null
  /** What was read, and what it asks of the other side. */
  readonly files: TlsFiles
  /** The other side must present a certificate of one of `authorities`. */
  readonly verifyClients: boolean
  readonly leaf: X509Certificate
  /** One line each, for the log: certificates that are expired, not yet valid, about to expire or for clients only. */
  readonly warnings: readonly string[]
}

/** id-kp-serverAuth. */
const serverUsage = '1.3.6.1.5.5.7.3.1'
const pemCertificate = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g
const expiryWarningDays = 14
const msPerDay = 24 * 60 * 60 * 1000
/** Files are read whole. A revocation list of a hundred thousand entries has about 5 MiB. */
const pemBytesMax = 32 * 1024 * 1024

/**
 * Reads and cross-checks the files of one listener or dialer. Synchronous: at start and at reload only.
 *
 * @param options.before what is in use until now: a revocation list does not give way to an older one.
 * @throws TlsFileError naming the first file that is missing, too open, not PEM, or does not belong to the others.
 */
export function readTlsFiles(
  files: TlsFiles,
  options: { readonly before?: TlsMaterial; readonly nowMs?: number } = {},
): TlsMaterial {
  const { before, nowMs = Date.now() } = options
  const warnings: string[] = []
  const certificate = readPem(files.certFile, 'certificate file')
  const chain = parseCertificates(files.certFile, certificate)
  const leaf = chain[0]!
  for (const each of chain) warnValidity(files.certFile, each, nowMs, warnings)
  // A certificate without any usage is good for everything. `keyUsage` is what Node calls the extended one.
  if (leaf.keyUsage !== undefined && !leaf.keyUsage.includes(serverUsage))
    warnings.push(`${files.certFile}: certificate ${subjectOf(leaf)} is not for servers: who connects will refuse it`)

  checkPrivateMode(files.keyFile)
  const key = readPem(files.keyFile, 'key file')
  if (!leaf.checkPrivateKey(parsePrivateKey(files.keyFile, key))) {
    throw new TlsFileError(files.keyFile, `the private key does not belong to the certificate in ${files.certFile}`)
  }

  if (files.clientCertAuth && files.trustedCaFile === null) {
    // Without an authority of ours, any certificate of any public authority would do.
    throw new TlsFileError(files.certFile, 'client certificate authentication needs a trusted CA file')
  }
  const authorities = files.trustedCaFile === null ? null : readAuthorities(files.trustedCaFile)
  for (const each of authorities ?? [])
    warnValidity(files.trustedCaFile!, new X509Certificate(each.der), nowMs, warnings)
  const revocations = files.crlFile === null ? null : readRevocations(files.crlFile, authorities, before ?? null)
  for (const { issuer, nextUpdateMs } of revocations?.status() ?? []) {
    if (nextUpdateMs !== null && nowMs > nextUpdateMs)
      warnings.push(
        `${files.crlFile}: the revocation list of ${issuer} is stale since ${new Date(nextUpdateMs).toISOString()}`,
      )
  }
  const verifyClients = authorities !== null
  return { certificate, key, authorities, revocations, files, verifyClients, leaf, warnings }
}

function readAuthorities(file: string): Certificate[] {
  const authorities = parsed(file, () => readCertificates(Buffer.from(readPem(file, 'trusted CA file'), 'latin1')))
  for (const { subject, extensions, publicKey } of authorities) {
    if (extensions.basicConstraints?.ca !== true)
      throw new TlsFileError(file, `${showName(subject)} is not a certificate authority`)
    const weakness = keyProblem(publicKey)
    if (weakness !== null) throw new TlsFileError(file, `${showName(subject)}: ${weakness}`)
  }
  return authorities
}

function readRevocations(file: string, authorities: readonly Certificate[] | null, before: TlsMaterial | null) {
  if (authorities === null) throw new TlsFileError(file, 'a revocation list needs a trusted CA file')
  const lists = parsed(file, () => readRevocationLists(Buffer.from(readPem(file, 'revocation list'), 'latin1')))
  const revocations = Revocations.from(lists, authorities, before?.revocations ?? null)
  if (typeof revocations === 'string') throw new TlsFileError(file, revocations)
  return revocations
}

function parsed<T>(file: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof X509Error) throw new TlsFileError(file, error.message, { cause: error })
    throw error
  }
}

function readPem(file: string, what: string): string {
  try {
    const size = statSync(file).size
    if (size > pemBytesMax) throw new TlsFileError(file, `${what} is too large (${size} bytes)`)
    return readFileSync(file, 'latin1')
  } catch (error) {
    if (error instanceof TlsFileError) throw error
    throw new TlsFileError(file, `cannot read ${what}: ${(error as NodeJS.ErrnoException).code ?? 'error'}`, {
      cause: error,
    })
  }
}

/** Private keys that others on the machine can read are as good as public. */
function checkPrivateMode(file: string): void {
  let stats: Stats
  try {
    stats = statSync(file)
  } catch (error) {
    throw new TlsFileError(file, `cannot read key file: ${(error as NodeJS.ErrnoException).code ?? 'error'}`, {
      cause: error,
    })
  }
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.())
    throw new TlsFileError(file, `private key belongs to another user (id ${stats.uid}); run chown on it`)
  if ((stats.mode & 0o077) !== 0) {
    const octal = (stats.mode & 0o777).toString(8).padStart(4, '0')
    throw new TlsFileError(file, `private key is accessible to group or others (mode ${octal}); run chmod 600 on it`)
  }
}

function parseCertificates(file: string, text: string): X509Certificate[] {
  const blocks = text.match(pemCertificate)
  if (blocks === null) throw new TlsFileError(file, 'no PEM certificate found')
  return blocks.map((block, i) => {
    try {
      return new X509Certificate(block)
    } catch (error) {
      throw new TlsFileError(file, `certificate ${i + 1} cannot be parsed`, { cause: error })
    }
  })
}

function parsePrivateKey(file: string, text: string): KeyObject {
  if (text.includes('ENCRYPTED')) throw new TlsFileError(file, 'the private key is encrypted; store it unencrypted')
  try {
    return createPrivateKey(text)
  } catch {
    // The cause is left out: a parser's message may quote its input.
    throw new TlsFileError(file, 'no usable PEM private key found')
  }
}

function warnValidity(file: string, certificate: X509Certificate, nowMs: number, warnings: string[]): void {
  const notBefore = Date.parse(certificate.validFrom)
  const notAfter = Date.parse(certificate.validTo)
  const what = `${file}: certificate ${subjectOf(certificate)}`
  if (nowMs > notAfter) warnings.push(`${what} expired on ${certificate.validTo}`)
  else if (nowMs < notBefore) warnings.push(`${what} is not valid before ${certificate.validFrom}`)
  else if (notAfter - nowMs < expiryWarningDays * msPerDay) warnings.push(`${what} expires on ${certificate.validTo}`)
}

const subjectOf = (certificate: X509Certificate): string => certificate.subject.replaceAll('\n', ', ')
