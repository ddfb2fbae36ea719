import { existsSync } from 'node:fs'
import { join } from 'node:path'
import {
  fingerprintOf,
  issuanceProblem,
  type RevocationReason,
  revocationReasons,
  serialFromText,
} from '../x509/index.ts'
import { type AuthorityFolder, crlFile, readCertificateFile, readListFile, withAuthority } from './authority-folder.ts'
import type { IssuedEntry, RevokedEntry } from './index-entry.ts'
import type { AuthorityAccess } from './issue-leaf.ts'
import { PkiError } from './pki-error.ts'
import { type PublishedList, publishRevocationLists } from './publish-revocations.ts'

/** A hold could be taken back, which no list that is made here does; `removeFromCRL` is how. */
export const usableReasons = revocationReasons.filter(
  (reason) => reason !== null && reason !== 'certificateHold' && reason !== 'removeFromCRL',
) as RevocationReason[]

export interface RevokeOptions extends AuthorityAccess {
  /** What to revoke: a certificate's file, or a serial in hexadecimal. */
  readonly certFile?: string | null
  readonly serial?: string | null
  readonly reason: string
  /** Of the revocation list that is made. Absent or null: the default. */
  readonly listDays?: number | null
}

/**
 * Records a revocation and makes the revocation list that says so.
 *
 * @throws PkiError if the certificate is not one of this authority, or is revoked already.
 */
export function revoke(options: RevokeOptions): { readonly revoked: RevokedEntry; readonly list: PublishedList } {
  const { dir, passphrase = null } = options
  const reason = usableReasons.find((each) => each === options.reason)
  if (reason === undefined)
    throw new PkiError(`unknown reason ${options.reason}: use one of ${usableReasons.join(', ')}`)
  return withAuthority(dir, passphrase, (folder) => {
    const target = targetOf(folder, options)
    const before = folder.state.revoked.get(target.serial)
    // On record without being in a list: an earlier attempt was interrupted.
    if (before !== undefined && !isListed(folder, before))
      return { revoked: before, list: publishRevocationLists(folder, options.listDays ?? null) }
    if (before !== undefined)
      throw new PkiError(`certificate ${target.serial} is revoked already: on ${before.at} (${before.reason})`)
    // Before anything is on record: a revocation without a list has no effect.
    folder.signer()
    const revoked = recordRevocation(folder, target, reason)
    return { revoked, list: publishRevocationLists(folder, options.listDays ?? null) }
  })
}

type Target = Pick<IssuedEntry, 'serial' | 'generation'> & { readonly notAfter: string | null }

export function recordRevocation(folder: AuthorityFolder, target: Target, reason: RevocationReason): RevokedEntry {
  const { serial, generation, notAfter } = target
  const entry: RevokedEntry = { event: 'revoked', at: new Date().toISOString(), serial, generation, reason, notAfter }
  folder.record(entry)
  return entry
}

function isListed({ dir }: AuthorityFolder, { serial }: RevokedEntry): boolean {
  const file = join(dir, crlFile)
  return existsSync(file) && readListFile(file).some(({ revoked }) => revoked.has(serial))
}

function targetOf(folder: AuthorityFolder, { certFile = null, serial = null }: RevokeOptions): Target {
  if ((certFile === null) === (serial === null)) throw new PkiError('name either a certificate file or a serial')
  if (certFile !== null) return targetInFile(folder, certFile)
  const digits = serial!.replaceAll(':', '')
  if (!/^[0-9a-fA-F]{1,128}$/.test(digits)) throw new PkiError(`not a serial: ${JSON.stringify(serial!.slice(0, 150))}`)
  const entry = folder.state.issued.get(serialFromText(digits))
  if (entry === undefined)
    throw new PkiError(`${folder.dir}: certificate ${serialFromText(digits)} is not in the index`)
  return entry
}

/** One that the index does not know can be revoked all the same, if this authority signed it: somebody else did, then. */
function targetInFile(folder: AuthorityFolder, certFile: string): Target {
  const certificate = readCertificateFile(certFile)[0]!
  const entry = folder.state.issued.get(certificate.serial)
  if (entry !== undefined && entry.fingerprint === fingerprintOf(certificate)) return entry
  let problem: string | null = null
  for (const generation of folder.state.generations.values()) {
    // A root signed itself. In its own list it would go on here, and end all that it issued for OpenSSL.
    if (generation.fingerprint === fingerprintOf(certificate))
      throw new PkiError(`${certFile}: is the authority itself; see: leasehold pki rotate authority`)
    problem = issuanceProblem(certificate, folder.certificates(generation)[0]!)
    if (problem === null)
      return {
        serial: certificate.serial,
        generation: generation.generation,
        notAfter: new Date(certificate.notAfterMs).toISOString(),
      }
  }
  throw new PkiError(`${certFile}: certificate ${certificate.serial} is not one of ${folder.dir}: ${problem}`)
}
