import { resolve } from 'node:path'
import { initAuthority } from '../pki/index.ts'

export interface PkiInitOptions {
  readonly dir: string
  readonly commonName: string
  readonly days: number
}

export async function pkiInit({ dir, commonName, days }: PkiInitOptions): Promise<number> {
  await initAuthority({ dir: resolve(dir), commonName, validityDays: days })
  process.stdout.write(`Authority "${commonName}" created in ${dir}\n`)
  return 0
}
