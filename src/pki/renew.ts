import { createPublicKey, type KeyObject } from 'node:crypto'
import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { type Certificate, fingerprintOf, readCertificates } from '../x509/index.ts'
import { type AuthorityFolder, issuedFolder, readCertificateFile, withAuthority } from './authority-folder.ts'
import type { IssuedEntry } from './index-entry.ts'
import { type AuthorityAccess, signAndRecord } from './issue-leaf.ts'
import { PkiError } from './pki-error.ts'
import { checkPrivate, readText, replaceFile } from './private-files.ts'
import { exportKey, isKeyOf, newKey, parseKey } from './private-key.ts'
import { type ProfileName, profileNamed } from './profile.ts'
import { publishRevocationLists } from './publish-revocations.ts'
import { recordRevocation } from './revoke.ts'

export interface RenewOptions extends AuthorityAccess {
  /** Replaced by the new certificate. */
  readonly certFile: string
  /** Given: a new key, too, and this file is replaced. Null: the new certificate is for the same key. */
  readonly keyFile: string | null
  /** Absent or null: as long as the one before was asked for. */
  readonly validityDays?: number | null
  /** The certificate before is revoked as superseded at once. */
  readonly revoke?: boolean
}

export interface Renewed {
  readonly serial: string
  readonly replaces: string
  readonly notAfter: Date
}

/**
 * The same names and profile again, from the authority's present key. Files change by rename, one after the other: the key
 * first. If a crash comes between the two, doing it again finds the certificate that belongs to the key and completes it.
 *
 * @throws PkiError if the certificate is not on record here, or is revoked.
 */
export function renewLeaf(options: RenewOptions): Renewed {
  const { dir, certFile, keyFile, passphrase = null, validityDays = null } = options
  return withAuthority(dir, passphrase, (folder) => {
    const certificate = readCertificateFile(certFile)[0]!
    const entry = entryOf(folder, certificate, certFile)
    if (keyFile !== null) {
      const finished = finishInterrupted(folder, entry, certificate, certFile, keyFile)
      if (finished !== null) return finished
    }
    const pair = keyFile === null ? null : newKey()
    const { profile, subject: commonName, dnsNames, ipAddresses, uris, serial, days } = entry
    const leaf = signAndRecord(
      folder,
      {
        profile: profileNamed(profile) as ProfileName,
        ...{ commonName, dnsNames, ipAddresses, uris },
        validityDays: validityDays ?? days,
      },
      pair?.publicKey ?? certificate.publicKey,
      options.profiles,
      serial,
    )
    if (pair !== null) replaceFile(dirname(keyFile!), basename(keyFile!), exportKey(pair.privateKey, null))
    replaceFile(dirname(certFile), basename(certFile), leaf.certPem)
    if (options.revoke === true) {
      recordRevocation(folder, entry, 'superseded')
      publishRevocationLists(folder)
    }
    return { serial: leaf.serial, replaces: serial, notAfter: leaf.notAfter }
  })
}

function entryOf(folder: AuthorityFolder, certificate: Certificate, certFile: string): IssuedEntry {
  const entry = folder.state.issued.get(certificate.serial)
  if (entry === undefined || entry.fingerprint !== fingerprintOf(certificate))
    throw new PkiError(`${certFile}: certificate ${certificate.serial} is not one of ${folder.dir}`)
  if (entry.profile === 'intermediate')
    throw new PkiError(`${certFile}: is an authority's certificate: use rotate authority`)
  const revoked = folder.state.revoked.get(certificate.serial)
  if (revoked !== undefined)
    throw new PkiError(`${certFile}: was revoked on ${revoked.at} (${revoked.reason}): issue a new one`)
  return entry
}

/** The key is new already, and only its certificate did not get there. */
function finishInterrupted(
  folder: AuthorityFolder,
  entry: IssuedEntry,
  certificate: Certificate,
  certFile: string,
  keyFile: string,
): Renewed | null {
  if (!existsSync(keyFile)) throw new PkiError(`${keyFile}: cannot read: ENOENT`)
  checkPrivate(keyFile, 'private key')
  const key = parseKey(readText(keyFile), null, keyFile)
  if (isKeyOf(key, certificate.publicKey)) return null
  const kept = keptCertificateFor(folder, entry.serial, createPublicKey(key))
  if (kept === null) throw new PkiError(`${keyFile}: the private key does not belong to the certificate in ${certFile}`)
  replaceFile(dirname(certFile), basename(certFile), kept.text.slice(kept.text.indexOf('\n') + 1))
  return { serial: kept.entry.serial, replaces: entry.serial, notAfter: new Date(kept.entry.notAfter) }
}

function keptCertificateFor(folder: AuthorityFolder, replaced: string, publicKey: KeyObject) {
  for (const entry of folder.state.issued.values()) {
    if (entry.replaces !== replaced) continue
    const file = join(folder.dir, issuedFolder, `${entry.serial}.crt`)
    if (!existsSync(file)) continue
    const text = readText(file)
    if (readCertificates(Buffer.from(text, 'latin1'))[0]!.publicKey.equals(publicKey)) return { entry, text }
  }
  return null
}
