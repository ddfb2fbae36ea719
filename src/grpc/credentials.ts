import type { IncomingHttpHeaders } from 'node:http2'
import { limits } from '../base/limits.ts'
import type { Credentials } from '../service/call.ts'
import { firstValue } from './call-head.ts'
import type { ClientConnection } from './client-connection.ts'

const bearer = /^bearer +/i
/** Stands for a token that nobody has a reason to look at. */
const noToken = 'too long'

/**
 * Tokens come as `token`, as etcd's clients send them, or as `authorization`, with or without the word Bearer.
 */
export function credentialsOf(headers: IncomingHttpHeaders, connection: ClientConnection): Credentials {
  const token = firstValue(headers, 'token') ?? firstValue(headers, 'authorization')
  if (token === undefined) return connection.credentials
  const isTooLong = token.length > limits.authTokenBytesMax
  return { ...connection.credentials, token: isTooLong ? noToken : token.replace(bearer, '') }
}
