import { TokenRevokeRequest } from '../wire/gen/leasehold.ts'
import { connect } from './connection.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { CommandError } from './failure.ts'

export interface RevokeOptions extends ConnectionOptions {
  readonly id?: string
  readonly of?: string
}

export async function tokenRevoke({ id = '', of: user = '', ...options }: RevokeOptions): Promise<number> {
  if (id !== '' && user !== '') throw new CommandError('use one of --id and --of')
  const isOwn = id === '' && user === ''
  if (isOwn && options.token === undefined && options.tokenFile === undefined) {
    throw new CommandError('which one? --token or --token-file, --id, or --of')
  }
  const client = await connect(options)
  try {
    const request = TokenRevokeRequest.encode({ id, user, expires_ms: 0n }).finish()
    await client.unary('/leasehold.v1.Tokens/Revoke', request, { isRepeatable: true })
  } finally {
    client.close()
  }
  process.stdout.write(`${endedText({ id, user })}\n`)
  return 0
}

/** Those that a user has made of its own are its own. What root has made for others is theirs, and ends by the id of either. */
export const endedText = ({ id, user }: { readonly id: string; readonly user: string }): string =>
  user !== ''
    ? `all tokens of ${user}: ended; not those that it made for other users, if it is root`
    : `${id === '' ? 'the token' : `token ${id}`} and what was derived from it: ended`
