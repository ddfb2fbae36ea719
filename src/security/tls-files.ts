import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { createSecureContext } from 'node:tls'
import type { TlsFiles } from '../config/member-config.ts'
import {
  type Certificate,
  issuanceProblem,
  keyProblem,
  oids,
  readCertificates,
  readRevocationLists,
  showName,
  X509Error,
} from '../x509/index.ts'
import { chainTo } from './certificate-chain.ts'
import { Revocations } from './revocations.ts'
import { readTlsContents, type TlsContents, TlsFileError } from './tls-contents.ts'

/** A set of TLS files that was found to fit together. */
export interface TlsMaterial {
  readonly contents: TlsContents
  /** What was read, and what it asks of the other side. */
  readonly files: TlsFiles
  /** PEM: the leaf first, then intermediates if there are any. */
  readonly certificate: string
  /** PEM, not encrypted. Secret. */
  readonly key: string
  /** Null: no authority was named. The same array as before if the file has not changed. */
  readonly authorities: readonly Certificate[] | null
  /** Null: revocation is not checked. */
  readonly revocations: Revocations | null
  /** The other side must present a certificate of one of `authorities`. */
  readonly verifyClients: boolean
  /** This side's certificates, the leaf first. */
  readonly chain: readonly Certificate[]
  readonly leaf: X509Certificate
  /** One line each, for the log: what is expired, not yet valid, about to expire, stale or of no use to the other side. */
  readonly warnings: readonly string[]
}

const expiryWarningDays = 14
const msPerDay = 24 * 60 * 60 * 1000

/**
 * Reads and cross-checks the files of one listener or dialer. Synchronous: at start and at reload only.
 *
 * @throws TlsFileError as `readTlsContents` and `checkTlsContents`.
 */
export const readTlsFiles = (
  files: TlsFiles,
  options?: { readonly before?: TlsMaterial; readonly nowMs?: number },
): TlsMaterial => checkTlsContents(readTlsContents(files), options)

/**
 * @param options.before what is in use until now: a revocation list does not give way to an older one, nor a good
 *   certificate to one that is expired, not valid yet, or not for servers. At a start there is nothing better, so that
 *   these are warnings.
 * @throws TlsFileError naming the first file that is damaged, too weak, or does not belong to the others.
 */
export function checkTlsContents(
  contents: TlsContents,
  { before, nowMs = Date.now() }: { readonly before?: TlsMaterial; readonly nowMs?: number } = {},
): TlsMaterial {
  const { files, certificate, key } = contents
  const chain = parsed(files.certFile, () => readCertificates(Buffer.from(certificate, 'latin1')))
  const own = chain[0]!
  const weakness = keyProblem(own.publicKey)
  if (weakness !== null) throw new TlsFileError(files.certFile, weakness)
  if (own.algorithm.scheme === 'weak')
    throw new TlsFileError(files.certFile, `its signature is too weak (${own.algorithm.name})`)
  const leaf = readByOpenssl(files.certFile, own)
  if (!leaf.checkPrivateKey(parsePrivateKey(files.keyFile, key))) {
    throw new TlsFileError(files.keyFile, `the private key does not belong to the certificate in ${files.certFile}`)
  }

  if (files.clientCertAuth && contents.authorities === null) {
    // Without an authority of ours, any certificate of any public authority would do.
    throw new TlsFileError(files.certFile, 'client certificate authentication needs a trusted CA file')
  }
  const authorities = authoritiesOf(contents, before)
  const revocations = revocationsOf(contents, authorities, before)
  requireUsable(contents)

  const verifyClients = authorities !== null
  const material = { contents, files, certificate, key, authorities, revocations, verifyClients, chain, leaf }
  const [fault] = faultsOf(material, nowMs)
  if (before !== undefined && fault !== undefined && faultsOf(before, nowMs).length === 0)
    throw new TlsFileError(files.certFile, fault)
  return { ...material, warnings: warningsOf(material, nowMs) }
}

type Checked = Omit<TlsMaterial, 'warnings'>

/** What would keep others from taking this side's certificates. */
function faultsOf({ chain }: Checked, nowMs: number): string[] {
  const faults: string[] = []
  const { extendedKeyUsage } = chain[0]!.extensions
  // A certificate without any usage is good for everything.
  if (extendedKeyUsage?.includes(oids.serverAuth) === false)
    faults.push(`certificate ${showName(chain[0]!.subject)} is not for servers: who connects will refuse it`)
  for (const each of chain) {
    const { subject, notBeforeMs, notAfterMs } = each
    const what = `certificate ${showName(subject)}`
    if (nowMs > notAfterMs) faults.push(`${what} expired on ${day(notAfterMs)}`)
    else if (nowMs < notBeforeMs) faults.push(`${what} is not valid before ${day(notBeforeMs)}`)
  }
  for (let i = 0; i + 1 < chain.length; i++) {
    const problem = issuanceProblem(chain[i]!, chain[i + 1]!)
    if (problem !== null) faults.push(`certificate ${i + 2} in it did not issue certificate ${i + 1}: ${problem}`)
  }
  return faults
}

/** @param nowMs they are worth telling again as time passes. */
export function warningsOf(material: Checked, nowMs: number): string[] {
  const { files, chain, authorities, revocations } = material
  const warnings = faultsOf(material, nowMs).map((fault) => `${files.certFile}: ${fault}`)
  for (const { subject, notAfterMs } of chain) {
    if (nowMs <= notAfterMs && notAfterMs - nowMs < expiryWarningDays * msPerDay)
      warnings.push(`${files.certFile}: certificate ${showName(subject)} expires on ${day(notAfterMs)}`)
  }
  for (const { subject, notBeforeMs, notAfterMs } of authorities ?? []) {
    const what = `${files.trustedCaFile}: certificate ${showName(subject)}`
    if (nowMs > notAfterMs) warnings.push(`${what} expired on ${day(notAfterMs)}`)
    else if (nowMs < notBeforeMs) warnings.push(`${what} is not valid before ${day(notBeforeMs)}`)
    else if (notAfterMs - nowMs < expiryWarningDays * msPerDay) warnings.push(`${what} expires on ${day(notAfterMs)}`)
  }
  if (authorities !== null && chainTo(chain, authorities) === null)
    warnings.push(`${files.certFile}: is of none of the authorities in ${files.trustedCaFile}`)
  for (const { issuer, nextUpdateMs } of revocations?.lists() ?? []) {
    if (nextUpdateMs !== null && nowMs > nextUpdateMs)
      warnings.push(
        `${files.crlFile}: the revocation list of ${issuer} is stale since ${new Date(nextUpdateMs).toISOString()}`,
      )
  }
  return warnings
}

function authoritiesOf(
  { files, authorities }: TlsContents,
  before: TlsMaterial | undefined,
): readonly Certificate[] | null {
  const file = files.trustedCaFile
  if (file === null || authorities === null) return null
  if (before !== undefined && before.contents.authorities === authorities) return before.authorities
  const certificates = parsed(file, () => readCertificates(Buffer.from(authorities, 'latin1')))
  for (const certificate of certificates) {
    const { subject, extensions, publicKey } = certificate
    // A listener would leave it out without a word.
    readByOpenssl(file, certificate)
    if (extensions.basicConstraints?.ca !== true)
      throw new TlsFileError(file, `${showName(subject)} is not a certificate authority`)
    const weakness = keyProblem(publicKey)
    if (weakness !== null) throw new TlsFileError(file, `${showName(subject)}: ${weakness}`)
  }
  return certificates
}

function revocationsOf(
  { files, revocations: text }: TlsContents,
  authorities: readonly Certificate[] | null,
  before: TlsMaterial | undefined,
): Revocations | null {
  const file = files.crlFile
  if (file === null || text === null) return null
  if (authorities === null) throw new TlsFileError(file, 'a revocation list needs a trusted CA file')
  const lists = parsed(file, () => readRevocationLists(Buffer.from(text, 'latin1')))
  const revocations = Revocations.from(lists, authorities, before?.revocations ?? null)
  if (typeof revocations === 'string') throw new TlsFileError(file, revocations)
  return revocations
}

/** What is read here may still be damaged in a part that only OpenSSL looks at. */
function readByOpenssl(file: string, { der }: Certificate): X509Certificate {
  try {
    return new X509Certificate(der)
  } catch (error) {
    throw new TlsFileError(file, 'OpenSSL cannot read the certificate', { cause: error })
  }
}

/** OpenSSL has rules of its own. Better known now than by a listener. */
function requireUsable({ files, certificate, key, authorities }: TlsContents): void {
  try {
    createSecureContext({ cert: certificate, key, ...(authorities === null ? {} : { ca: authorities }) })
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new TlsFileError(files.certFile, `OpenSSL refuses the certificates: ${code ?? message}`)
  }
}

function parsed<T>(file: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof X509Error) throw new TlsFileError(file, error.message, { cause: error })
    throw error
  }
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

const day = (ms: number): string => new Date(ms).toISOString()
