import { resolve } from 'node:path'
import { issueLeaf } from '../pki/index.ts'

export interface PkiIssueOptions {
  readonly dir: string
  readonly profile: string
  readonly name: string
  readonly out: string
  readonly commonName?: string
  readonly dns: readonly string[]
  readonly ip: readonly string[]
  readonly uri: readonly string[]
  readonly days?: number
}

export async function pkiIssue(options: PkiIssueOptions): Promise<number> {
  await issueLeaf({
    dir: resolve(options.dir),
    profile: options.profile,
    name: options.name,
    commonName: options.commonName ?? options.name,
    dnsNames: options.dns,
    ipAddresses: options.ip,
    uris: options.uri,
    ...(options.days === undefined ? {} : { validityDays: options.days }),
    outDir: resolve(options.out),
  })
  process.stdout.write(`Certificate "${options.name}" written to ${options.out}\n`)
  return 0
}
