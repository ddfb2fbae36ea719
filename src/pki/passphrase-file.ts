import { statSync } from 'node:fs'
import { readBounded, readingProblem, standardInput } from '../files/read-bounded.ts'
import { PkiError } from './pki-error.ts'

const passphraseBytesMax = 4096

/**
 * The first line of a file. Not an option or variable of its own: those show in the list of processes.
 *
 * @param file `-` is standard input. @throws PkiError
 */
export function readPassphraseFile(file: string): string {
  let text: string
  try {
    if (file !== '-') checkPrivate(file)
    text = readBounded(file === '-' ? standardInput : file, passphraseBytesMax, 'any').toString('utf8')
  } catch (error) {
    if (error instanceof PkiError) throw error
    throw new PkiError(`${file}: cannot read passphrase: ${readingProblem(error)}`)
  }
  const [line = ''] = text.split(/\r?\n/, 1)
  if (line === '' || text.length > passphraseBytesMax) throw new PkiError(`${file}: no passphrase in its first line`)
  return line
}

function checkPrivate(file: string): void {
  const stats = statSync(file)
  const mode = stats.mode & 0o777
  if (!stats.isFile() || (mode & 0o077) === 0) return
  const octal = mode.toString(8).padStart(4, '0')
  throw new PkiError(`${file}: passphrase is accessible to group or others (mode ${octal}); run chmod 600 on it`)
}
