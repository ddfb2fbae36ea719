import { readAuthority, readCertificateFile } from './authority-folder.ts'
import { readPassphraseFile } from './passphrase-file.ts'
import { PkiError } from './pki-error.ts'
import { renewLeaf } from './renew.ts'

export interface RenewFromAny {
  /** Folders of authorities; the certificate is of one of them. */
  readonly dirs: readonly string[]
  /** Null: the authorities' keys are not encrypted. */
  readonly passphraseFile: string | null
  readonly certFile: string
}

/**
 * Renews a certificate in place, for the same key, from the authority that has it on record.
 *
 * @throws PkiError
 */
export function renewFromAny({ dirs, passphraseFile, certFile }: RenewFromAny): void {
  const { serial } = readCertificateFile(certFile)[0]!
  const dir = dirs.find((each) => readAuthority(each).state.issued.has(serial))
  if (dir === undefined) throw new PkiError(`${certFile}: certificate ${serial} is of none of ${dirs.join(', ')}`)
  const passphrase = passphraseFile === null ? null : readPassphraseFile(passphraseFile)
  // The key stays: two files cannot change at one moment, and a member that stops in between could not start again.
  renewLeaf({ dir, passphrase, certFile, keyFile: null })
}
