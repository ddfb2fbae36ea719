import type { TokensConfig } from '../config/token-settings.ts'
import { parseKeySet } from './key-set.ts'
import { readOwnKeys } from './own-keys.ts'
import { readKeyFile } from './read-key-file.ts'

/** Whether the files that tokens need can be used, without using them. @throws TokenKeyError */
export async function checkTokenFiles({ own, outside }: TokensConfig): Promise<void> {
  if (own !== null) await readOwnKeys(own)
  if (outside?.keys.kind !== 'file') return
  const { file } = outside.keys
  await parseKeySet(readKeyFile(file), file, 'outside')
}
