import { resolve } from 'node:path'
import { issueLeaf } from '../pki/index.ts'
import { type AuthorityOptions, accessOf } from './pki-access.ts'
import { alternativeNames, type NameOptions } from './pki-names.ts'

export interface PkiIssueOptions extends AuthorityOptions, NameOptions {
  readonly profile: string
  readonly out: string
  readonly days?: number
}

export function pkiIssue(options: PkiIssueOptions): number {
  const { serial, notAfter } = issueLeaf({
    ...accessOf(options),
    profile: options.profile,
    name: options.name,
    commonName: options.commonName ?? options.name,
    ...alternativeNames(options),
    validityDays: options.days ?? null,
    outDir: resolve(options.out),
  })
  process.stdout.write(
    `Certificate "${options.name}" written to ${options.out} (serial ${serial}, valid until ${notAfter.toISOString()})\n`,
  )
  return 0
}
