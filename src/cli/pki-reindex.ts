import { resolve } from 'node:path'
import { reindex } from '../pki/index.ts'
import { jsonText } from './pki-access.ts'

export function pkiReindex({ dir, json = false }: { readonly dir: string; readonly json?: boolean }): number {
  const result = reindex(resolve(dir))
  const { damagedIndex, damagedLines, issuedFound, revokedFound, issued, revoked } = result
  const lines = [
    damagedIndex === null ? 'There was no index' : `The index before is kept as ${damagedIndex}`,
    ...(damagedLines.length > 0 ? [`Damaged lines in it: ${damagedLines.join(', ')}`] : []),
    ...issuedFound.map((serial) => `Certificate ${serial}: found by its copy`),
    ...revokedFound.map((serial) => `Revocation of ${serial}: found in the revocation list`),
    `The new index has ${issued} certificates, ${revoked} of them revoked`,
  ]
  process.stdout.write(json ? jsonText(result) : `${lines.join('\n')}\n`)
  return 0
}
