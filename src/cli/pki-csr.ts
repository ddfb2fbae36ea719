import { resolve } from 'node:path'
import { createRequest, signRequestFile } from '../pki/index.ts'
import { type AuthorityOptions, accessOf } from './pki-access.ts'
import { alternativeNames, type NameOptions } from './pki-names.ts'

export interface PkiCsrNewOptions extends NameOptions {
  readonly out: string
}

export function pkiCsrNew(options: PkiCsrNewOptions): number {
  const { name, commonName = name, out } = options
  createRequest({ name, commonName, ...alternativeNames(options), outDir: resolve(out) })
  process.stdout.write(`Request "${name}" written to ${out}\n`)
  return 0
}

export interface PkiCsrSignOptions extends AuthorityOptions, NameOptions {
  readonly in: string
  readonly profile: string
  readonly out: string
  readonly days?: number
}

export function pkiCsrSign(options: PkiCsrSignOptions): number {
  const names = alternativeNames(options)
  const namesGiven = names.dnsNames.length + names.ipAddresses.length + names.uris.length > 0
  const { serial, notAfter } = signRequestFile({
    ...accessOf(options),
    requestFile: options.in,
    profile: options.profile,
    commonName: options.commonName ?? null,
    names: namesGiven ? names : null,
    name: options.name,
    validityDays: options.days ?? null,
    outDir: resolve(options.out),
  })
  process.stdout.write(
    `Certificate "${options.name}" written to ${options.out} (serial ${serial}, valid until ${notAfter.toISOString()})\n`,
  )
  return 0
}
