import type { OwnTokensConfig } from '../config/token-settings.ts'
import { type KeySet, parseKeySet } from './key-set.ts'
import { readKeyFile } from './read-key-file.ts'
import { readSigningKey, type SigningKey } from './signing-key.ts'
import { TokenKeyError } from './token-key-error.ts'

/** The keys of the cluster's own tokens: in use as a whole, replaced as a whole or not at all. */
export interface OwnKeys {
  readonly signing: SigningKey | null
  readonly verifying: KeySet
}

/**
 * What is signed here must be good on all members: where there is a file of keys to verify with, the signing key's must be
 * in it.
 *
 * @throws TokenKeyError
 */
export async function readOwnKeys({ signingKeyFile, keysFile }: OwnTokensConfig): Promise<OwnKeys> {
  const signing = signingKeyFile === null ? null : await readSigningKey(signingKeyFile)
  if (keysFile === null) {
    return { signing, verifying: new Map(signing === null ? [] : [[signing.verification.id, signing.verification]]) }
  }
  const verifying = await parseKeySet(readKeyFile(keysFile), keysFile, 'own')
  if (signing !== null && !isAmong(signing, verifying)) {
    throw new TokenKeyError(`${keysFile}: the key of ${signingKeyFile} is not in it: others could not verify with it`)
  }
  return { signing, verifying }
}

function isAmong({ verification, algorithm }: SigningKey, keys: KeySet): boolean {
  const found = keys.get(verification.id)
  return found?.algorithms.includes(algorithm) === true && found.key.equals(verification.key)
}
