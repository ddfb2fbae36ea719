import { existsSync, rmSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fingerprintOf, readCertificates } from '../x509/index.ts'
import { type AuthorityRequest, type Credentials, createAuthority } from './authority.ts'
import {
  certFileOf,
  crlFile,
  indexFile,
  issuedFolder,
  keptSerials,
  keyFileOf,
  trustFile,
  withAuthority,
  writeGeneration,
} from './authority-folder.ts'
import { withFolderLock } from './folder-lock.ts'
import { firstCheck, indexLine } from './index-file.ts'
import { issuingGeneration } from './index-state.ts'
import { PkiError } from './pki-error.ts'
import { appendFlushed, checkPrivate, makeFolder, readText, removeDrafts, writeNew } from './private-files.ts'
import { type AuthorityKind, loadProfiles, type Profiles } from './profile.ts'

export interface InitOptions {
  /** Created with mode 0700; an existing one must not be open to others. */
  readonly dir: string
  readonly commonName: string
  /** Absent or null: the profile's default. */
  readonly validityDays?: number | null
  readonly kind?: 'root' | 'parent'
  /** Folder of the authority that signs this one, which is an intermediate then. */
  readonly parent?: { readonly dir: string; readonly passphrase: string | null } | null
  /** Encrypts the key; the folder is of no use without it. */
  readonly passphrase?: string | null
  /** An earlier `init` here was interrupted: what it left is thrown away. */
  readonly startOver?: boolean
  readonly profiles?: Profiles
}

/** @throws PkiError if there is an authority already, or a part of one, or the folder is open to others. */
export function initAuthority(options: InitOptions): void {
  const { dir, parent = null, profiles = loadProfiles() } = options
  const kind: AuthorityKind = parent === null ? (options.kind ?? 'root') : 'intermediate'
  const request = {
    commonName: options.commonName,
    validityDays: options.validityDays ?? null,
    kind,
    passphrase: options.passphrase ?? null,
  }
  if (parent !== null && resolve(parent.dir) === resolve(dir))
    throw new PkiError(`${dir}: an authority cannot be its own parent`)
  const isNew = !existsSync(dir)
  makeFolder(dir)
  checkPrivate(dir, 'folder')
  withFolderLock(dir, () => {
    checkUnused(dir, options.startOver ?? false)
    try {
      const made = parent === null ? createAuthority(request, Date.now(), profiles) : null
      const { credentials, trustPem } =
        made === null ? createBelow(parent!, request, profiles) : { credentials: made, trustPem: made.certPem }
      const entry = writeGeneration(dir, 1, kind, credentials)
      makeFolder(join(dir, issuedFolder))
      // A root's can be made again from its certificate, and is by the next command.
      if (kind === 'intermediate') writeNew(dir, trustFile, trustPem)
      appendFlushed(join(dir, indexFile), indexLine(entry, firstCheck).line)
      if (kind !== 'intermediate') writeNew(dir, trustFile, trustPem)
    } catch (error) {
      if (isNew && !existsSync(join(dir, keyFileOf(1)))) rmSync(dir, { recursive: true })
      throw error
    }
  })
}

/** An intermediate authority, on record with its parent. */
export function createBelow(
  parent: { readonly dir: string; readonly passphrase: string | null },
  request: AuthorityRequest,
  profiles: Profiles,
): { readonly credentials: Credentials; readonly trustPem: string } {
  return withAuthority(parent.dir, parent.passphrase, (folder) => {
    const issuing = issuingGeneration(folder.state)
    const credentials = createAuthority({ ...request, parent: folder.signer() }, Date.now(), profiles)
    const certificate = readCertificates(Buffer.from(credentials.certPem, 'latin1'))[0]!
    folder.recordIssued(
      {
        event: 'issued',
        at: new Date().toISOString(),
        serial: certificate.serial,
        generation: issuing.generation,
        profile: 'intermediate',
        subject: request.commonName,
        ...{ dnsNames: [], ipAddresses: [], uris: [] },
        days: request.validityDays ?? profiles.authorities.intermediate.validityDays,
        notAfter: new Date(certificate.notAfterMs).toISOString(),
        fingerprint: fingerprintOf(certificate),
        replaces: null,
      },
      credentials.certPem,
    )
    return { credentials, trustPem: readText(join(parent.dir, trustFile)) }
  })
}

/** @throws PkiError unless the folder has nothing of an authority in it. */
function checkUnused(dir: string, startOver: boolean): void {
  for (const name of [indexFile, trustFile, crlFile])
    if (existsSync(join(dir, name)))
      throw new PkiError(`${join(dir, name)}: exists already; an authority is never overwritten`)
  const [kept] = keptSerials(dir)
  if (kept !== undefined)
    throw new PkiError(`${join(dir, issuedFolder, kept)}.crt: exists already; an authority is never overwritten`)
  removeDrafts(dir)
  const left = [keyFileOf(1), certFileOf(1)].filter((name) => existsSync(join(dir, name)))
  if (left.length === 0) return
  if (!startOver)
    throw new PkiError(
      `${join(dir, left[0]!)}: left by an init that was interrupted, nothing was issued with it: use --start-over to replace it`,
    )
  for (const name of left) rmSync(join(dir, name))
}
