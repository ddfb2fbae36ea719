import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import {
  type Certificate,
  fingerprintOf,
  pem,
  type RevocationList,
  readCertificates,
  readRevocationLists,
  X509Error,
} from '../x509/index.ts'
import { type Credentials, parseAuthority, type Signer } from './authority.ts'
import { withFolderLock } from './folder-lock.ts'
import type { AuthorityEntry, IndexEntry, IssuedEntry } from './index-entry.ts'
import { indexLine, parseIndex } from './index-file.ts'
import { foldIndex, type Generation, type IndexState, issuingGeneration, trustedGenerations } from './index-state.ts'
import { PkiError } from './pki-error.ts'
import {
  appendFlushed,
  checkPrivate,
  makeFolder,
  readBytes,
  readText,
  removeDrafts,
  replaceFile,
  writeNew,
} from './private-files.ts'
import type { AuthorityKind } from './profile.ts'

/**
 * Files of an authority's folder: `ca.crt`, what others trust; `ca-<generation>.key` and `.crt`; `index.jsonl`; `issued/`,
 * a copy of each certificate; `crl.pem`.
 */
export const trustFile = 'ca.crt'
export const indexFile = 'index.jsonl'
export const issuedFolder = 'issued'
export const crlFile = 'crl.pem'
export const keyFileOf = (generation: number): string => `ca-${generation}.key`
export const certFileOf = (generation: number): string => `ca-${generation}.crt`

/** An authority's folder while this process alone works on it. */
export class AuthorityFolder {
  readonly dir: string
  #entries: readonly IndexEntry[]
  #state: IndexState
  #check: string
  readonly #passphrase: string | null

  /** @throws PkiError naming the file that is missing, damaged, or does not belong to the others. */
  constructor(dir: string, passphrase: string | null) {
    this.dir = dir
    this.#passphrase = passphrase
    const path = join(dir, indexFile)
    if (!existsSync(path)) throw new PkiError(whyNoIndex(dir))
    try {
      const { entries, check } = parseIndex(readText(path))
      this.#entries = entries
      this.#check = check
      this.#state = foldIndex(entries)
    } catch (error) {
      if (!(error instanceof PkiError) || error.message.startsWith(path)) throw error
      throw new PkiError(`${path}: ${error.message}; see: leasehold pki reindex`, { cause: error })
    }
    const missing = this.#missing()
    if (missing !== null) throw new PkiError(`${path}: lines are missing: ${missing}; see: leasehold pki reindex`)
  }

  /** What is beside the index and not in it, since a file that lost its end looks whole. */
  #missing(): string | null {
    const unknown = keptSerials(this.dir).find((serial) => !this.state.issued.has(serial))
    if (unknown !== undefined) return `certificate ${unknown} is kept here`
    const list = join(this.dir, crlFile)
    const number = existsSync(list) ? numberOf(list) : 0
    if (number > this.state.crlNumber) return `the revocation list in ${crlFile} has number ${number}`
    const path = join(this.dir, trustFile)
    if (issuingGeneration(this.state).kind === 'intermediate' || !existsSync(path)) return null
    const trusted = readText(path)
    // A crash comes after the index and before the file: that is then as the step before left it.
    const last = this.#entries.findLastIndex(({ event }) => event === 'rotation')
    const isKnown =
      trusted === this.#trustPem(this.state) ||
      (last !== -1 && trusted === this.#trustPem(foldIndex(this.#entries.slice(0, last))))
    return isKnown ? null : `${trustFile} does not hold the certificates that it should`
  }

  #trustPem(state: IndexState): string {
    return trustedGenerations(state)
      .map((each) => pem('CERTIFICATE', this.certificates(each)[0]!.der))
      .join('')
  }

  /** With all that was recorded through this object. */
  get state(): IndexState {
    return this.#state
  }

  /** The certificates of a generation: its own first, then what stands above it. */
  certificates({ generation, fingerprint }: Generation): Certificate[] {
    const file = join(this.dir, certFileOf(generation))
    const certificates = readCertificateFile(file)
    if (fingerprintOf(certificates[0]!) !== fingerprint)
      throw new PkiError(`${file}: is not the certificate in the index`)
    return certificates
  }

  /** @throws PkiError naming what about key or certificate is unusable. */
  signer(generation: Generation = issuingGeneration(this.state)): Signer {
    this.certificates(generation)
    return readSigner(this.dir, generation.generation, this.#passphrase)
  }

  /** On disk when this returns. */
  record(...entries: readonly IndexEntry[]): void {
    const all = [...this.#entries, ...entries]
    const state = foldIndex(all)
    let text = ''
    for (const entry of entries) {
      const { line, check } = indexLine(entry, this.#check)
      text += line
      this.#check = check
    }
    appendFlushed(join(this.dir, indexFile), text)
    this.#entries = all
    this.#state = state
  }

  /** In the index first, so that no certificate exists that is not on record; then the copy. */
  recordIssued(entry: IssuedEntry, certPem: string): void {
    this.record(entry)
    keepCertificate(this.dir, entry, certPem)
  }

  /** The next generation's number. */
  get nextGeneration(): number {
    return Math.max(...this.state.generations.keys()) + 1
  }

  /** Whose certificates stand in ca.crt; of an intermediate authority that is its parent's. */
  writeTrust(): void {
    if (issuingGeneration(this.state).kind === 'intermediate') return
    const wanted = this.#trustPem(this.state)
    const path = join(this.dir, trustFile)
    if (!existsSync(path) || readText(path) !== wanted) replaceFile(this.dir, trustFile, wanted)
  }
}

/** Runs `work` on an authority while no other process does. @throws PkiError */
export function withAuthority<T>(dir: string, passphrase: string | null, work: (folder: AuthorityFolder) => T): T {
  if (!existsSync(dir)) throw new PkiError(`${dir}: there is no such folder`)
  checkPrivate(dir, 'folder')
  return withFolderLock(dir, () => {
    removeDrafts(dir)
    const folder = new AuthorityFolder(dir, passphrase)
    // A step of a rotation may have ended between the index and this file.
    folder.writeTrust()
    return work(folder)
  })
}

/** What the index says; nothing is changed. @throws PkiError */
export const readAuthority = (dir: string): AuthorityFolder => {
  if (!existsSync(dir)) throw new PkiError(`${dir}: there is no such folder`)
  try {
    return new AuthorityFolder(dir, null)
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    // Another process may have been in the middle of a line.
    return withFolderLock(dir, () => new AuthorityFolder(dir, null))
  }
}

/** Key and certificate of a generation; returns the entry for the index, which makes them count. */
export function writeGeneration(
  dir: string,
  generation: number,
  kind: AuthorityKind,
  { certPem, keyPem }: Credentials,
): AuthorityEntry {
  const certificate = readCertificates(Buffer.from(certPem, 'latin1'))[0]!
  writeNew(dir, keyFileOf(generation), keyPem)
  writeNew(dir, certFileOf(generation), certPem)
  return authorityEntry(generation, kind, certificate)
}

export const authorityEntry = (generation: number, kind: AuthorityKind, certificate: Certificate): AuthorityEntry => ({
  event: 'authority',
  at: new Date().toISOString(),
  generation,
  kind,
  subject: certificate.subject.attributes.map(({ value }) => value ?? '').join(' '),
  serial: certificate.serial,
  notAfter: new Date(certificate.notAfterMs).toISOString(),
  fingerprint: fingerprintOf(certificate),
})

/** Serials of the certificates that are kept beside the index. */
export function keptSerials(dir: string): string[] {
  const folder = join(dir, issuedFolder)
  if (!existsSync(folder)) return []
  return readdirSync(folder).flatMap((name) => /^([0-9a-f]+)\.crt$/.exec(name)?.[1] ?? [])
}

/** The entry stands in front of the certificate, where OpenSSL and others pass over it. */
export function keepCertificate(dir: string, entry: IssuedEntry, certPem: string): void {
  makeFolder(join(dir, issuedFolder))
  writeNew(join(dir, issuedFolder), `${entry.serial}.crt`, `${JSON.stringify(entry)}\n${certPem}`)
}

/** @throws PkiError naming the file. */
export function readCertificateFile(file: string): Certificate[] {
  try {
    return readCertificates(readBytes(file))
  } catch (error) {
    if (error instanceof X509Error) throw new PkiError(`${file}: ${error.message}`, { cause: error })
    throw error
  }
}

/** @throws PkiError naming the file. */
export function readListFile(file: string): RevocationList[] {
  try {
    return readRevocationLists(readBytes(file))
  } catch (error) {
    if (error instanceof X509Error) throw new PkiError(`${file}: ${error.message}`, { cause: error })
    throw error
  }
}

function numberOf(file: string): number {
  try {
    return Math.max(...readListFile(file).map(({ number }) => Number(number)))
  } catch (error) {
    if (!(error instanceof PkiError)) throw error
    throw new PkiError(`${error.message}; move it away, and: leasehold pki crl`, { cause: error })
  }
}

function readSigner(dir: string, generation: number, passphrase: string | null): Signer {
  const keyFile = join(dir, keyFileOf(generation))
  const credentials = { certPem: readText(join(dir, certFileOf(generation))), keyPem: readText(keyFile) }
  checkPrivate(keyFile, 'private key')
  try {
    return parseAuthority(credentials, passphrase)
  } catch (error) {
    if (error instanceof PkiError) throw new PkiError(`${dir}: ${error.message}`, { cause: error })
    throw error
  }
}

function whyNoIndex(dir: string): string {
  const path = join(dir, indexFile)
  if (existsSync(join(dir, trustFile))) return `${path}: is missing; see: leasehold pki reindex`
  if (existsSync(join(dir, keyFileOf(1)))) return `${dir}: an init was interrupted here; run it again with --start-over`
  return `${path}: is missing: there is no authority in this folder`
}
