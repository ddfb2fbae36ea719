import { resolve } from 'node:path'
import { exportCertificate } from '../pki/index.ts'
import { readPassphrase } from './pki-access.ts'

export interface PkiExportOptions {
  readonly cert: string
  readonly key?: string
  readonly ca?: string
  readonly format: string
  readonly passphraseFile?: string
  readonly out: string
}

export function pkiExport({ cert, key, ca, format, passphraseFile, out }: PkiExportOptions): number {
  exportCertificate({
    format,
    certFile: cert,
    keyFile: key ?? null,
    caFile: ca ?? null,
    passphrase: readPassphrase(passphraseFile),
    outFile: resolve(out),
  })
  process.stdout.write(`Written to ${out}\n`)
  return 0
}
