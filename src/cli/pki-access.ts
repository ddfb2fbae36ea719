import { readFileSync, statSync } from 'node:fs'
import { resolve } from 'node:path'
import { type AuthorityAccess, loadProfiles } from '../pki/index.ts'
import { CommandError } from './failure.ts'

/** Options of all commands that work on an authority. */
export interface AuthorityOptions {
  readonly dir: string
  readonly passphraseFile?: string
  readonly profiles?: string
}

/** @throws CommandError, PkiError naming the file that cannot be used. */
export const accessOf = ({ dir, passphraseFile, profiles }: AuthorityOptions): AuthorityAccess => ({
  dir: resolve(dir),
  passphrase: readPassphrase(passphraseFile),
  ...(profiles === undefined ? {} : { profiles: loadProfiles(profiles) }),
})

const passphraseBytesMax = 4096

/** The first line of a file. Not an option or variable of its own: those show in the list of processes. */
export function readPassphrase(file: string | undefined): string | null {
  if (file === undefined) return null
  let text: string
  try {
    if (file !== '-') checkPrivate(file)
    text = readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`${file}: cannot read passphrase: ${(error as NodeJS.ErrnoException).code ?? 'error'}`)
  }
  const [line = ''] = text.split(/\r?\n/, 1)
  if (line === '' || text.length > passphraseBytesMax)
    throw new CommandError(`${file}: no passphrase in its first line`)
  return line
}

function checkPrivate(file: string): void {
  const stats = statSync(file)
  const mode = stats.mode & 0o777
  if (!stats.isFile() || (mode & 0o077) === 0) return
  const octal = mode.toString(8).padStart(4, '0')
  throw new CommandError(`${file}: passphrase is accessible to group or others (mode ${octal}); run chmod 600 on it`)
}

/** Every character outside ASCII escaped: what a certificate says cannot reach the terminal as it is. */
export const jsonText = (value: unknown): string =>
  `${JSON.stringify(value, null, 2).replace(/[\u007f-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)}\n`
