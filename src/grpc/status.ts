import type { OutgoingHttpHeaders } from 'node:http2'
import { InvariantError } from '../base/assert.ts'
import type { Log } from '../base/log.ts'
import { Code, EtcdError } from '../errors.ts'
import { StatusError } from '../service/status-error.ts'

/** How a call ended, as it goes on the wire. */
export interface CallStatus {
  readonly code: Code
  readonly details: string
}

export const okStatus: CallStatus = { code: Code.Ok, details: '' }
const internal: CallStatus = { code: Code.Internal, details: 'internal error' }

/**
 * The one way from an error to a gRPC status. Refusals keep their code and text. Anything else is a defect: the log
 * gets all of it, the caller learns nothing but that it happened.
 */
export function statusOf(error: unknown, method: string, log: Log): CallStatus {
  if (error instanceof EtcdError || error instanceof StatusError) return { code: error.code, details: error.message }
  const fields = { method, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  if (error instanceof InvariantError) log.fatal('a broken invariant while serving a call', fields)
  else log.error('unexpected error while serving a call', fields)
  return internal
}

const okTrailers: OutgoingHttpHeaders = Object.freeze({ 'grpc-status': '0' })

/** The header fields that carry a status, last of all that is sent on a call. */
export function trailersOf({ code, details }: CallStatus): OutgoingHttpHeaders {
  if (code === Code.Ok) return okTrailers
  return { 'grpc-status': String(code), 'grpc-message': encodeDetails(details) }
}

const plain = /^(?:[\x21-\x24\x26-\x7e](?:[\x20-\x24\x26-\x7e]*[\x21-\x24\x26-\x7e])?)?$/

/**
 * Percent-encodes what is not printable ASCII, and `%`, in UTF-8; also spaces at either end, which HTTP does not keep.
 *
 * @source gRPC over HTTP/2, "Status-Message".
 */
export function encodeDetails(details: string): string {
  if (plain.test(details)) return details
  let encoded = ''
  const bytes = Buffer.from(details)
  for (const [index, byte] of bytes.entries()) {
    const isOuter = index === 0 || index === bytes.length - 1
    const isPlain = byte >= (isOuter ? 0x21 : 0x20) && byte <= 0x7e && byte !== 0x25
    encoded += isPlain ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
