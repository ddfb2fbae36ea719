import type { IncomingHttpHeaders } from 'node:http2'
import { Code } from '../errors.ts'
import { StatusError } from '../service/status-error.ts'
import { type Encoding, encodingOf } from './decompress.ts'
import { parseTimeout } from './grpc-timeout.ts'

/** What the header fields of a request say about a call. */
export interface CallHead {
  /** How those of its messages are compressed that are. */
  readonly encoding: Encoding | null
  /** Null: the client waits for ever. */
  readonly timeoutMs: number | null
  readonly headers: IncomingHttpHeaders
}

/** @throws StatusError if the header fields contradict gRPC over HTTP/2. */
export function readHead(headers: IncomingHttpHeaders): CallHead {
  const encoding = encodingOf(firstValue(headers, 'grpc-encoding'))
  const timeout = headers['grpc-timeout']
  if (timeout === undefined) return { encoding, timeoutMs: null, headers }
  const timeoutMs = parseTimeout(String(timeout))
  if (typeof timeoutMs === 'string') throw new StatusError(Code.Internal, `malformed grpc-timeout: ${timeoutMs}`)
  return { encoding, timeoutMs, headers }
}

/** First value of a metadata entry. node:http2 joins several with commas, as gRPC allows. */
export function firstValue(headers: IncomingHttpHeaders, name: string): string | undefined {
  const value = headers[name]
  if (value === undefined) return undefined
  const text = Array.isArray(value) ? (value[0] ?? '') : value
  const comma = text.indexOf(',')
  return comma === -1 ? text : text.slice(0, comma)
}
