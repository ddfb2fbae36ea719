import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { type Certificate, fingerprintOf, listProblem } from '../x509/index.ts'
import {
  AuthorityFolder,
  authorityEntry,
  certFileOf,
  crlFile,
  indexFile,
  issuedFolder,
  keptSerials,
  readCertificateFile,
  readListFile,
  trustFile,
} from './authority-folder.ts'
import { withFolderLock } from './folder-lock.ts'
import { type IndexEntry, type IssuedEntry, indexEntrySchema, type RevokedEntry } from './index-entry.ts'
import { firstCheck, indexLine, salvageIndex } from './index-file.ts'
import { foldIndex } from './index-state.ts'
import { PkiError } from './pki-error.ts'
import { checkPrivate, readText, removeDrafts, replaceFile, writeNew } from './private-files.ts'
import type { AuthorityKind } from './profile.ts'

export interface Reindexed {
  /** Where the index that was there is now; null: there was none. */
  readonly damagedIndex: string | null
  /** Of that one, from 1; the last may be a line that was not written whole. */
  readonly damagedLines: readonly number[]
  /** Certificates that the new index knows only from their copies. */
  readonly issuedFound: readonly string[]
  /** Revocations that the new index knows only from the revocation list. */
  readonly revokedFound: readonly string[]
  readonly issued: number
  readonly revoked: number
}

/**
 * Puts the index together again: what is sound in the old one, certificates from their copies, revocations and the number
 * of the last list from the revocation list, authorities from their certificates and ca.crt. The old index is kept under another name.
 *
 * @throws PkiError if the index is sound, or too little is left.
 */
export function reindex(dir: string): Reindexed {
  if (!existsSync(dir)) throw new PkiError(`${dir}: there is no such folder`)
  checkPrivate(dir, 'folder')
  return withFolderLock(dir, () => {
    removeDrafts(dir)
    const path = join(dir, indexFile)
    const old = existsSync(path) ? readText(path) : null
    if (old !== null && isSound(dir)) throw new PkiError(`${path}: is sound, there is nothing to do`)
    const salvaged = salvageIndex(old ?? '')
    const kept = keptEntries(dir)
    const known = new Set(salvaged.entries.flatMap((each) => (each.event === 'issued' ? each.serial : [])))
    const issuedFound = kept.filter(({ serial }) => !known.has(serial))
    const at = new Date().toISOString()
    const authorities = authorityEntries(dir, salvaged.entries)
    const others = salvaged.entries.filter(({ event }) => event !== 'authority' && event !== 'rotation')
    const base = [...authorities, ...others, ...issuedFound]
    const { revokedFound, lists } = revocationsInList(dir, base)
    const name = old === null ? null : `${indexFile}.damaged-${at.replaceAll(':', '')}`
    const entries: IndexEntry[] = [...base, ...revokedFound, ...lists, { event: 'reindexed', at, damagedIndex: name }]
    const state = foldIndex(entries)
    if (name !== null) writeNew(dir, name, Buffer.from(old!, 'latin1'))
    replaceFile(dir, indexFile, textOf(entries))
    return {
      damagedIndex: name === null ? null : join(dir, name),
      damagedLines: salvaged.damagedLines,
      issuedFound: issuedFound.map(({ serial }) => serial),
      revokedFound: revokedFound.map(({ serial }) => serial),
      issued: state.issued.size,
      revoked: state.revoked.size,
    }
  })
}

function isSound(dir: string): boolean {
  try {
    new AuthorityFolder(dir, null)
    return true
  } catch (error) {
    if (error instanceof PkiError) return false
    throw error
  }
}

function textOf(entries: readonly IndexEntry[]): string {
  let before = firstCheck
  let text = ''
  for (const entry of entries) {
    const { line, check } = indexLine(entry, before)
    text += line
    before = check
  }
  return text
}

interface Found {
  readonly generation: number
  readonly certificate: Certificate
}

/** Keys and the state of their rotation: not from the old index, a line of which may be what is lost, but from ca.crt. */
function authorityEntries(dir: string, salvaged: readonly IndexEntry[]): IndexEntry[] {
  const found = foundAuthorities(dir)
  const [issuing, other = null] = trustedOf(dir, found)
  const known = new Map(salvaged.flatMap((each) => (each.event === 'authority' ? [[each.fingerprint, each]] : [])))
  const entry = ({ generation, certificate }: Found): IndexEntry =>
    known.get(fingerprintOf(certificate)) ?? authorityEntry(generation, kindOf(certificate), certificate)
  const rotation = (step: 'begin' | 'switch', { generation }: Found): IndexEntry => ({
    event: 'rotation',
    at: new Date().toISOString(),
    step,
    generation,
  })
  const hasSwitched = other !== null && other.generation < issuing!.generation
  const first = hasSwitched ? other : issuing!
  return [
    entry(first),
    ...found.filter((each) => each !== first).map(entry),
    ...(hasSwitched ? [rotation('begin', issuing!), rotation('switch', issuing!)] : []),
    ...(other !== null && !hasSwitched ? [rotation('begin', other)] : []),
  ]
}

function foundAuthorities(dir: string): Found[] {
  const found: Found[] = []
  for (let generation = 1; existsSync(join(dir, certFileOf(generation))); generation++)
    found.push({ generation, certificate: readCertificateFile(join(dir, certFileOf(generation)))[0]! })
  if (found.length === 0)
    throw new PkiError(`${join(dir, certFileOf(1))}: is missing: there is no authority in this folder`)
  return found
}

/** The one that issues first, and the other one of a rotation. */
function trustedOf(dir: string, found: readonly Found[]): Found[] {
  if (found.length === 1) return [...found]
  // Everybody gets an intermediate's certificate with those that it issued: the newest can issue at any time.
  if (kindOf(found[0]!.certificate) === 'intermediate') return found.slice(-2).reverse()
  const path = join(dir, trustFile)
  const trusted = readCertificateFile(path).flatMap((each) => {
    const fingerprint = fingerprintOf(each)
    return found.find(({ certificate }) => fingerprintOf(certificate) === fingerprint) ?? []
  })
  if (trusted.length === 0 || trusted.length > 2)
    throw new PkiError(`${path}: does not tell which of the ${found.length} keys issues: put back the file as it was`)
  return trusted
}

function kindOf({ issuer, subject, extensions }: Certificate): AuthorityKind {
  if (!issuer.der.equals(subject.der)) return 'intermediate'
  return extensions.basicConstraints?.pathLength === 0 ? 'root' : 'parent'
}

/** The entries in front of the copies, if they are what the certificate says. */
function keptEntries(dir: string): IssuedEntry[] {
  return keptSerials(dir).map((serial) => {
    const file = join(dir, issuedFolder, `${serial}.crt`)
    const text = readText(file)
    const entry = entryIn(text)
    const [certificate] = readCertificateFile(file)
    if (entry?.event !== 'issued' || entry.serial !== serial || entry.fingerprint !== fingerprintOf(certificate!))
      throw new PkiError(`${file}: is not a copy that was made here; move it away`)
    return entry
  })
}

function entryIn(text: string): IndexEntry | null {
  try {
    return indexEntrySchema.safeParse(JSON.parse(text.split('\n', 1)[0]!)).data ?? null
  } catch {
    return null
  }
}

/** What the lists in crl.pem that are really of these authorities say beyond `base`. */
function revocationsInList(dir: string, base: readonly IndexEntry[]) {
  const revokedFound: RevokedEntry[] = []
  const lists: IndexEntry[] = []
  const path = join(dir, crlFile)
  if (!existsSync(path)) return { revokedFound, lists }
  const known = new Set(base.flatMap((each) => (each.event === 'revoked' ? each.serial : [])))
  const issued = new Map(base.flatMap((each) => (each.event === 'issued' ? [[each.serial, each] as const] : [])))
  const generations = base.flatMap((each) => (each.event === 'authority' ? each.generation : []))
  for (const list of readListFile(path)) {
    for (const generation of generations) {
      const [certificate] = readCertificateFile(join(dir, certFileOf(generation)))
      if (listProblem(list, certificate!) !== null) continue
      for (const [serial, { revokedAtMs, reason }] of list.revoked) {
        if (known.has(serial)) continue
        known.add(serial)
        const notAfter = issued.get(serial)?.notAfter ?? null
        revokedFound.push({
          event: 'revoked',
          at: new Date(revokedAtMs).toISOString(),
          serial,
          generation,
          reason,
          notAfter,
        })
      }
      if (list.number !== null && list.nextUpdateMs !== null)
        lists.push({
          event: 'crl',
          at: new Date(list.thisUpdateMs).toISOString(),
          generation,
          number: Number(list.number),
          nextUpdate: new Date(list.nextUpdateMs).toISOString(),
        })
    }
  }
  return { revokedFound, lists }
}
