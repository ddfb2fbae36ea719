import { resolve } from 'node:path'
import { expiring, parsePeriod } from '../pki/index.ts'
import { printable } from '../x509/index.ts'
import { CommandError } from './failure.ts'
import { jsonText } from './pki-access.ts'

export interface PkiExpiringOptions {
  readonly dir?: string
  readonly within: string
  readonly json?: boolean
}

/** Not 1, which is what every command exits with that fails. */
const somethingEnds = 2

export function pkiExpiring(files: readonly string[], { dir, within, json = false }: PkiExpiringOptions): number {
  if (dir === undefined && files.length === 0) throw new CommandError('name an authority with --dir, or files')
  const found = expiring({ dir: dir === undefined ? null : resolve(dir), files, withinMs: parsePeriod(within) })
  process.stdout.write(
    json
      ? jsonText(found)
      : found
          .map(({ what, name, serial, endsAt, expired }) => {
            const verb = what === 'revocation list' ? 'is due' : expired ? 'has expired' : 'expires'
            return `${what} ${printable(name)}${serial === null ? '' : ` (${serial})`} ${verb} ${endsAt}\n`
          })
          .join(''),
  )
  return found.length > 0 ? somethingEnds : 0
}
