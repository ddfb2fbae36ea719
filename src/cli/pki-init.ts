import { resolve } from 'node:path'
import { initAuthority } from '../pki/index.ts'
import { type AuthorityOptions, accessOf, readPassphrase } from './pki-access.ts'

export interface PkiInitOptions extends AuthorityOptions {
  readonly commonName: string
  readonly days?: number
  readonly kind: 'root' | 'parent'
  readonly parent?: string
  readonly parentPassphraseFile?: string
  readonly startOver?: boolean
}

export function pkiInit(options: PkiInitOptions): number {
  const { commonName, days = null, kind, parent, parentPassphraseFile, startOver = false } = options
  initAuthority({
    ...accessOf(options),
    commonName,
    validityDays: days,
    kind,
    parent: parent === undefined ? null : { dir: resolve(parent), passphrase: readPassphrase(parentPassphraseFile) },
    startOver,
  })
  process.stdout.write(`Authority "${commonName}" created in ${options.dir}\n`)
  return 0
}
