import type { KeyObject } from 'node:crypto'
import { join } from 'node:path'
import { fingerprintOf } from '../x509/index.ts'
import { type LeafRequest, type SignedLeaf, signLeaf } from './authority.ts'
import { type AuthorityFolder, trustFile, withAuthority } from './authority-folder.ts'
import type { IssuedEntry } from './index-entry.ts'
import { issuingGeneration } from './index-state.ts'
import { checkAbsent, checkFileName, makeFolder, writeNew } from './private-files.ts'
import { exportKey, newKey } from './private-key.ts'
import { loadProfiles, type Profiles, profileNamed } from './profile.ts'
import type { AlternativeNames } from './subject-names.ts'

/** Which authority, and what opens its key. */
export interface AuthorityAccess {
  readonly dir: string
  /** Absent or null: the key is not encrypted. */
  readonly passphrase?: string | null
  readonly profiles?: Profiles
}

export interface IssueOptions extends AuthorityAccess, AlternativeNames {
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
  /** The authorities that others verify it with. */
  readonly caFile: string
  readonly serial: string
  readonly notAfter: Date
}

/**
 * Issues a certificate for a new key, records it in the authority's index, then writes key and certificate.
 *
 * @throws PkiError on a refused request, or rather than overwrite anything.
 */
export function issueLeaf(options: IssueOptions): IssuedLeaf {
  const { dir, name, outDir, passphrase = null } = options
  const request = leafRequest(options)
  checkFileName(name)
  return withAuthority(dir, passphrase, (folder) => {
    checkAbsent(outDir, [`${name}.crt`, `${name}.key`])
    // Before anything is on record: a certificate whose key could not be written is of no use.
    makeFolder(outDir)
    const { publicKey, privateKey } = newKey()
    const leaf = signAndRecord(folder, request, publicKey, options.profiles)
    const files = writeLeaf(outDir, name, { certPem: leaf.certPem, keyPem: exportKey(privateKey, null) })
    return { ...files, caFile: join(dir, trustFile), serial: leaf.serial, notAfter: leaf.notAfter }
  })
}

const leafRequest = (options: IssueOptions): LeafRequest => ({
  profile: profileNamed(options.profile),
  commonName: options.commonName,
  dnsNames: options.dnsNames,
  ipAddresses: options.ipAddresses,
  uris: options.uris,
  validityDays: options.validityDays ?? null,
})

/** @param replaces serial of the certificate whose place the new one takes. */
export function signAndRecord(
  folder: AuthorityFolder,
  request: LeafRequest,
  publicKey: KeyObject,
  profiles: Profiles = loadProfiles(),
  replaces: string | null = null,
): SignedLeaf {
  const leaf = signLeaf(folder.signer(), request, publicKey, profiles)
  const { profile, commonName, dnsNames, ipAddresses, uris, validityDays } = request
  const entry: IssuedEntry = {
    event: 'issued',
    at: new Date().toISOString(),
    serial: leaf.serial,
    generation: issuingGeneration(folder.state).generation,
    profile,
    subject: commonName,
    dnsNames: [...dnsNames],
    ipAddresses: [...ipAddresses],
    uris: [...uris],
    days: validityDays ?? profiles.certificates[profile].validityDays,
    notAfter: leaf.notAfter.toISOString(),
    fingerprint: fingerprintOf(leaf.certificate),
    replaces,
  }
  folder.recordIssued(entry, leaf.certPem)
  return leaf
}

/** @throws PkiError rather than overwrite anything. */
export function writeLeaf(dir: string, name: string, leaf: { readonly certPem: string; readonly keyPem: string }) {
  checkFileName(name)
  makeFolder(dir)
  writeNew(dir, `${name}.key`, leaf.keyPem)
  writeNew(dir, `${name}.crt`, leaf.certPem)
  return { certFile: join(dir, `${name}.crt`), keyFile: join(dir, `${name}.key`) }
}
