import { resolve } from 'node:path'
import { type AuthorityAccess, loadProfiles, readPassphraseFile } from '../pki/index.ts'

/** Options of all commands that work on an authority. */
export interface AuthorityOptions {
  readonly dir: string
  readonly passphraseFile?: string
  readonly profiles?: string
}

/** @throws PkiError naming the file that cannot be used. */
export const accessOf = ({ dir, passphraseFile, profiles }: AuthorityOptions): AuthorityAccess => ({
  dir: resolve(dir),
  passphrase: readPassphrase(passphraseFile),
  ...(profiles === undefined ? {} : { profiles: loadProfiles(profiles) }),
})

export const readPassphrase = (file: string | undefined): string | null =>
  file === undefined ? null : readPassphraseFile(file)

/** Every character outside ASCII escaped: what a certificate says cannot reach the terminal as it is. */
export const jsonText = (value: unknown): string =>
  `${JSON.stringify(value, null, 2).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`
