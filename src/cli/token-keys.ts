import { addKey, makeSigningKey, publicKeysOf, readKeys, retireKey } from '../tokens/key-file.ts'
import { type KeySet, keySetText, parseKeySet } from '../tokens/key-set.ts'
import { readKeyFile } from '../tokens/read-key-file.ts'
import { TokenKeysRequest, TokenKeysResponse } from '../wire/gen/leasehold.ts'
import { connect } from './connection.ts'
import { type ConnectionOptions, endpointsOf } from './connection-options.ts'

interface KeysOptions {
  readonly keys: string
}

export async function tokenKeysNew(options: KeysOptions & { signingKey: string; algorithm: string }): Promise<number> {
  // What is wrong with the file should be known before there is a key.
  await readKeys(options.keys)
  const { verification } = await makeSigningKey(options.signingKey, options.algorithm)
  await addKey(options.keys, verification)
  process.stdout.write(`${verification.id}: signs with ${options.signingKey}, is verified with ${options.keys}\n`)
  return 0
}

export async function tokenKeysAdd(file: string, { keys }: KeysOptions): Promise<number> {
  for (const key of await publicKeysOf(file)) process.stdout.write(`${key.id}: ${await addKey(keys, key)}\n`)
  return 0
}

export async function tokenKeysRetire({ keys, kid }: KeysOptions & { kid: string }): Promise<number> {
  await retireKey(keys, kid)
  process.stdout.write(`${kid}: taken out of ${keys}\n`)
  return 0
}

/** Each endpoint is asked: before a key signs, all of them must verify with it. */
export async function tokenKeysList(
  options: ConnectionOptions & { readonly keys?: string; readonly json?: boolean },
): Promise<number> {
  if (options.keys !== undefined) {
    show(await parseKeySet(readKeyFile(options.keys), options.keys, 'own'), options.json === true, null)
    return 0
  }
  for (const { address, isSecure } of endpointsOf(options)) {
    const client = await connect({ ...options, endpoints: `${isSecure ? 'https' : 'http'}://${address}` })
    try {
      const request = TokenKeysRequest.encode({}).finish()
      const { jwks } = TokenKeysResponse.decode(await client.unary('/leasehold.v1.Tokens/Keys', request))
      show(await parseKeySet(jwks, address, 'own'), options.json === true, address)
    } finally {
      client.close()
    }
  }
  return 0
}

function show(keys: KeySet, asJson: boolean, address: string | null): void {
  if (asJson) {
    process.stdout.write(keySetText(keys))
    return
  }
  const where = address === null ? '' : `${address} `
  for (const { id, algorithms } of keys.values()) process.stdout.write(`${where}${id} ${algorithms.join(' ')}\n`)
}
