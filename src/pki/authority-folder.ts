import { randomBytes } from 'node:crypto'
import {
  closeSync,
  existsSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { type Credentials, createAuthority, issue, type Leaf, parseAuthority } from './authority.ts'
import type { AlternativeNames } from './certificate.ts'
import { PkiError } from './pki-error.ts'
import { isProfileName, loadProfiles, profileNames } from './profile.ts'

const certificateFile = 'ca.crt'
const keyFile = 'ca.key'
const indexFile = 'index.jsonl'

export interface InitOptions {
  /** Created with mode 0700; an existing one must not be open to others. */
  readonly dir: string
  readonly commonName: string
  readonly validityDays: number
}

export interface AuthorityFiles {
  readonly certFile: string
  readonly keyFile: string
}

/** Creates an authority in `dir`. @throws PkiError if there is one already, or the folder is open to others. */
export function initAuthority(options: InitOptions): AuthorityFiles {
  const authority = createAuthority(options)
  return writeAuthority(options.dir, authority)
}

/** @throws PkiError rather than overwrite anything. */
export function writeAuthority(dir: string, authority: Credentials): AuthorityFiles {
  parseAuthority(authority)
  makeFolder(dir)
  checkPrivate(dir, 'folder')
  for (const name of [certificateFile, keyFile, indexFile]) {
    const file = join(dir, name)
    if (existsSync(file)) throw new PkiError(`${file}: exists already; an authority is never overwritten`)
  }
  const files = { certFile: join(dir, certificateFile), keyFile: join(dir, keyFile) }
  writeNew(dir, keyFile, authority.keyPem)
  writeNew(dir, certificateFile, authority.certPem)
  return files
}

/** @throws PkiError naming the file that is missing, unusable or open to others. */
export function loadAuthority(dir: string): Credentials {
  const authority = { certPem: readText(join(dir, certificateFile)), keyPem: readText(join(dir, keyFile)) }
  checkPrivate(join(dir, keyFile), 'private key')
  try {
    parseAuthority(authority)
  } catch (error) {
    if (error instanceof PkiError) throw new PkiError(`${dir}: ${error.message}`, { cause: error })
    throw error
  }
  return authority
}

export interface IssueOptions extends AlternativeNames {
  /** The authority's folder. */
  readonly dir: string
  readonly profile: string
  readonly commonName: string
  /** Of the files: `<name>.crt` and `<name>.key`. Letters, digits, dot, dash, underscore. */
  readonly name: string
  /** Absent or null: the profile's default. */
  readonly validityDays?: number | null
  readonly outDir: string
}

export interface IssuedLeaf {
  readonly certFile: string
  readonly keyFile: string
  /** The authority's certificate, that others verify this one with. */
  readonly caFile: string
  readonly serial: string
  readonly notAfter: Date
}

/**
 * Issues a certificate, records it in the authority's index, then writes key and certificate.
 *
 * @throws PkiError on a refused request, or rather than overwrite anything.
 */
export function issueLeaf(options: IssueOptions): IssuedLeaf {
  const { dir, profile, name, outDir } = options
  if (!isProfileName(profile)) throw new PkiError(`unknown profile ${profile}: use one of ${profileNames.join(', ')}`)
  checkName(name)
  const authority = loadAuthority(dir)
  for (const file of [`${name}.crt`, `${name}.key`]) {
    if (existsSync(join(outDir, file)))
      throw new PkiError(`${join(outDir, file)}: exists already; it is not overwritten`)
  }
  const { commonName, dnsNames, ipAddresses, uris, validityDays = null } = options
  const leaf = issue(authority, { profile, commonName, dnsNames, ipAddresses, uris, validityDays }, loadProfiles())
  makeFolder(outDir)
  record(dir, {
    serial: leaf.serial,
    subject: commonName,
    dnsNames,
    ipAddresses,
    uris,
    profile,
    issuedAt: new Date().toISOString(),
    notAfter: leaf.notAfter.toISOString(),
  })
  const files = writeLeaf(outDir, name, leaf)
  return { ...files, caFile: join(dir, certificateFile), serial: leaf.serial, notAfter: leaf.notAfter }
}

/** @throws PkiError rather than overwrite anything. */
export function writeLeaf(dir: string, name: string, leaf: Pick<Leaf, 'certPem' | 'keyPem'>): AuthorityFiles {
  checkName(name)
  makeFolder(dir)
  writeNew(dir, `${name}.key`, leaf.keyPem)
  writeNew(dir, `${name}.crt`, leaf.certPem)
  return { certFile: join(dir, `${name}.crt`), keyFile: join(dir, `${name}.key`) }
}

/** One line of index.jsonl. */
export interface IndexEntry {
  readonly serial: string
  readonly subject: string
  readonly dnsNames: readonly string[]
  readonly ipAddresses: readonly string[]
  readonly uris: readonly string[]
  readonly profile: string
  readonly issuedAt: string
  readonly notAfter: string
}

/** Written and flushed before the certificate is, so that none exists that is not on record. */
function record(dir: string, entry: IndexEntry): void {
  const file = openSync(join(dir, indexFile), 'a', 0o600)
  try {
    writeSync(file, `${JSON.stringify(entry)}\n`)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
}

function checkName(name: string): void {
  if (!/^[a-zA-Z0-9][a-zA-Z0-9._-]{0,127}$/.test(name)) {
    throw new PkiError(`not a usable file name: ${JSON.stringify(name)} (letters, digits, dot, dash, underscore)`)
  }
}

function makeFolder(dir: string): void {
  try {
    // One by one: Node's recursive form tries for ever where the system refuses with ENOENT, as /proc does.
    const missing: string[] = []
    for (let at = dir; statSync(at, { throwIfNoEntry: false }) === undefined; at = dirname(at)) missing.push(at)
    for (const folder of missing.reverse()) mkdirSync(folder, { mode: 0o700 })
  } catch (error) {
    throw new PkiError(`${dir}: cannot create folder: ${codeOf(error)}`, { cause: error })
  }
  if (!statSync(dir).isDirectory()) throw new PkiError(`${dir}: is not a folder`)
}

function checkPrivate(path: string, what: string): void {
  const mode = statSync(path).mode & 0o777
  if ((mode & 0o077) === 0) return
  const wanted = what === 'folder' ? '700' : '600'
  const octal = mode.toString(8).padStart(4, '0')
  throw new PkiError(`${path}: ${what} is accessible to group or others (mode ${octal}); run chmod ${wanted} on it`)
}

/**
 * The file appears under its name complete or not at all, and never in place of another: a link fails where a rename
 * would replace.
 */
function writeNew(dir: string, name: string, text: string): void {
  const target = join(dir, name)
  const draft = join(dir, `.${name}.${randomBytes(6).toString('hex')}`)
  try {
    const file = openSync(draft, 'wx', 0o600)
    try {
      writeSync(file, text)
      fsyncSync(file)
    } finally {
      closeSync(file)
    }
    linkSync(draft, target)
    const folder = openSync(dir, 'r')
    try {
      fsyncSync(folder)
    } finally {
      closeSync(folder)
    }
  } catch (error) {
    const reason =
      codeOf(error) === 'EEXIST' ? 'exists already; it is not overwritten' : `cannot write: ${codeOf(error)}`
    throw new PkiError(`${target}: ${reason}`, { cause: error })
  } finally {
    rmSync(draft, { force: true })
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'latin1')
  } catch (error) {
    throw new PkiError(`${file}: cannot read: ${codeOf(error)}`, { cause: error })
  }
}

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? 'error'
