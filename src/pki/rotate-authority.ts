import { existsSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { createAuthority } from './authority.ts'
import {
  type AuthorityFolder,
  certFileOf,
  keyFileOf,
  trustFile,
  withAuthority,
  writeGeneration,
} from './authority-folder.ts'
import type { IssuedEntry } from './index-entry.ts'
import { currentCertificates, generationAs, issuingGeneration } from './index-state.ts'
import { createBelow } from './init-authority.ts'
import type { AuthorityAccess } from './issue-leaf.ts'
import { PkiError } from './pki-error.ts'
import { readText, replaceFile } from './private-files.ts'
import { loadProfiles } from './profile.ts'
import { publishRevocationLists } from './publish-revocations.ts'

export interface BeginOptions extends AuthorityAccess {
  /** Absent or null: the name of the one before. */
  readonly commonName?: string | null
  readonly validityDays?: number | null
  /** Of an intermediate authority: who signs the next one. */
  readonly parent?: { readonly dir: string; readonly passphrase: string | null } | null
}

/**
 * First step: a new key and certificate for the authority, which ca.crt then holds beside the ones before. The key before
 * goes on issuing, so that nothing is issued that somebody cannot verify yet.
 *
 * @throws PkiError if a rotation is going on.
 */
export function beginRotation(options: BeginOptions): void {
  const { dir, passphrase = null, parent = null, profiles = loadProfiles() } = options
  withAuthority(dir, passphrase, (folder) => {
    requireNoRotation(folder)
    const issuing = issuingGeneration(folder.state)
    const isIntermediate = issuing.kind === 'intermediate'
    if (isIntermediate !== (parent !== null))
      throw new PkiError(
        `${dir}: ${isIntermediate ? 'is an intermediate authority: name its parent' : 'has no parent'}`,
      )
    // Whoever may begin must be able to go on with the key that issues.
    folder.signer()
    const number = folder.nextGeneration
    // Left by a `begin` that was interrupted before it counted.
    for (const name of [keyFileOf(number), certFileOf(number)]) rmSync(join(dir, name), { force: true })
    const request = {
      commonName: options.commonName ?? issuing.subject,
      validityDays: options.validityDays ?? null,
      kind: issuing.kind,
      passphrase,
    }
    const { credentials, trustPem } =
      parent === null
        ? { credentials: createAuthority(request, Date.now(), profiles), trustPem: null }
        : createBelow(parent, request, profiles)
    const entry = writeGeneration(dir, number, issuing.kind, credentials)
    const at = new Date().toISOString()
    folder.record(entry, { event: 'rotation', at, step: 'begin', generation: number })
    if (trustPem === null) folder.writeTrust()
    else replaceFile(dir, trustFile, trustPem)
    refreshLists(folder)
  })
}

/** Second step, when all have the new ca.crt: the new key issues from now on. @throws PkiError */
export const switchRotation = (options: AuthorityAccess): void => step(options, 'switch', 'next')

/** Instead of the second step: the new key is given up, and ca.crt is as before. @throws PkiError */
export const abortRotation = (options: AuthorityAccess): void => step(options, 'abort', 'next')

export interface FinishOptions extends AuthorityAccess {
  /** Certificates of the key before are still in use: cut them off. */
  readonly force?: boolean
}

/**
 * Third step, when all certificates are of the new key: ca.crt holds only that. The key before stays in the folder.
 *
 * @throws PkiError naming certificates that nobody could verify any more.
 */
export const finishRotation = ({ force = false, ...options }: FinishOptions): void =>
  step(options, 'finish', 'last', (folder) => {
    const left = certificatesLeft(folder)
    if (left.length === 0 || force) return
    const names = left.slice(0, 5).map(({ subject, serial }) => (subject === '' ? serial : subject))
    const more = left.length > names.length ? ` and ${left.length - names.length} more` : ''
    throw new PkiError(
      `${folder.dir}: ${left.length} certificates of the key before are in use (${names.join(', ')}${more}): renew or revoke them first`,
    )
  })

/** Certificates in use whose key of the authority is on its way out. */
export function certificatesLeft({ state }: Pick<AuthorityFolder, 'state'>): IssuedEntry[] {
  const last = generationAs(state, 'last')
  return currentCertificates(state, Date.now()).filter(({ generation }) => generation === last?.generation)
}

/** @param role what there must be a key in. */
function step(
  { dir, passphrase = null }: AuthorityAccess,
  name: 'switch' | 'abort' | 'finish',
  role: 'next' | 'last',
  check: (folder: AuthorityFolder) => void = () => {},
): void {
  withAuthority(dir, passphrase, (folder) => {
    const target = generationAs(folder.state, role)
    if (target === null) throw new PkiError(`${dir}: nothing to ${name}: ${rotationState(folder)}`)
    check(folder)
    if (name === 'switch') folder.signer(target)
    folder.record({ event: 'rotation', at: new Date().toISOString(), step: name, generation: target.generation })
    folder.writeTrust()
    refreshLists(folder)
  })
}

function requireNoRotation(folder: AuthorityFolder): void {
  if (generationAs(folder.state, 'next') ?? generationAs(folder.state, 'last'))
    throw new PkiError(`${folder.dir}: ${rotationState(folder)}`)
}

export function rotationState({ state }: Pick<AuthorityFolder, 'state'>): string {
  if (generationAs(state, 'next')) return 'a rotation has begun, the next step is --switch (or --abort)'
  if (generationAs(state, 'last')) return 'a rotation has switched, the next step is --finish'
  return 'no rotation is going on'
}

/** Who asks for a list of each authority that it trusts must find one for the new key, too. */
function refreshLists(folder: AuthorityFolder): void {
  if (folder.state.crlNumber > 0) publishRevocationLists(folder)
}

/** An intermediate's ca.crt is its parent's: brought up to date after the parent's own rotation. @throws PkiError */
export function refreshTrust(dir: string, parentDir: string): void {
  withAuthority(dir, null, (folder) => {
    if (issuingGeneration(folder.state).kind !== 'intermediate') throw new PkiError(`${dir}: has no parent`)
    const path = join(parentDir, trustFile)
    if (!existsSync(path)) throw new PkiError(`${path}: cannot read: ENOENT`)
    replaceFile(dir, trustFile, readText(path))
  })
}
