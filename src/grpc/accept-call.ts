import { constants, type IncomingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { Auditor } from '../audit/auditor.ts'
import type { Log } from '../base/log.ts'
import { Code } from '../errors.ts'
import type { Member } from '../service/member.ts'
import { type CallCounts, methodNumber } from './call-counts.ts'
import { readHead } from './call-head.ts'
import type { ClientConnection } from './client-connection.ts'
import { type Method, type MethodTable, methodPaths, servedServices } from './method.ts'
import { type CallContext, responseHeaders, withoutBody } from './server-call.ts'
import { type CallStatus, statusOf, trailersOf } from './status.ts'
import { StreamCall } from './stream-call.ts'
import { UnaryCall } from './unary-call.ts'

export interface AcceptOptions {
  readonly member: Member
  readonly log: Log
  readonly counts: CallCounts
  /** Of one request message, compressed or not. */
  readonly messageBytesMax: number
  /** Null: nothing is audited. */
  readonly audit: Auditor | null
  /** Takes over what asks for a page, and is no call at all. */
  readonly page: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void
}

export type AcceptCall = (connection: ClientConnection, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void

interface Route {
  readonly method: Method
  readonly context: CallContext
}

const ignore = (): void => {}

/** Begins the call of each HTTP/2 request whose header fields say that it is one, and refuses the others. */
export function callAcceptor(table: MethodTable, options: AcceptOptions): AcceptCall {
  const routes = new Map<string, Route>()
  const services = new Set(servedServices(table))
  for (const [path, method] of methodPaths(table)) {
    if (method.kind === 'notBuilt') continue
    const { audit: auditor } = options
    const audit = auditor === null ? null : { auditor, method: auditor.method(path.slice(1), isLong(method)) }
    routes.set(path, { method, context: { ...options, path, number: methodNumber(path), audit } })
  }
  return (connection, stream, headers) => {
    // Resets are everyday, and an error without a listener would end the process.
    stream.on('error', ignore)
    // Reset in the same piece in which it came.
    if (stream.destroyed || stream.closed) return
    if (connection.refuses(stream.id ?? 0)) {
      stream.close(constants.NGHTTP2_REFUSED_STREAM)
      return
    }
    const path = headers[':path'] ?? ''
    const httpMethod = headers[':method']
    if (!isGrpc(headers['content-type'])) {
      // Some say what they would send if they sent something.
      if (httpMethod === 'GET' || httpMethod === 'HEAD') {
        options.page(stream, headers)
        return
      }
      const details = `invalid gRPC request content-type ${JSON.stringify(headers['content-type'] ?? '')}`
      refuse(stream, 415, { code: Code.InvalidArgument, details })
      return
    }
    if (httpMethod !== 'POST') {
      const details = `Received a HEADERS frame with :method ${JSON.stringify(httpMethod)} which should be POST`
      refuse(stream, 405, { code: Code.Internal, details })
      return
    }
    const route = routes.get(path)
    if (route === undefined) {
      refuse(stream, 200, { code: Code.Unimplemented, details: unknownMethod(path, services) })
      return
    }
    const { method, context } = route
    try {
      const head = readHead(headers)
      if (method.kind === 'unary') new UnaryCall(method, stream, head, connection, context)
      else if (method.kind !== 'notBuilt') new StreamCall(method, stream, head, connection, context)
    } catch (error) {
      refuse(stream, 200, statusOf(error, path, options.log))
    }
  }
}

/** Whether its calls last: until the client goes, or until it has its turn. */
const isLong = ({ kind, label }: Method): boolean =>
  kind !== 'unary' || label === 'lock.lock' || label === 'election.campaign'

/** `application/grpc`, with any subtype after a `+` and any parameters: messages are bytes here. */
const isGrpc = (contentType: string | undefined): boolean =>
  contentType === 'application/grpc' || (contentType !== undefined && /^application\/grpc(?:[+;]|$)/i.test(contentType))

/** @source the words of grpc-go's handleStream. */
function unknownMethod(path: string, services: ReadonlySet<string>): string {
  const name = path.startsWith('/') ? path.slice(1) : path
  const slash = name.lastIndexOf('/')
  if (slash === -1) return `malformed method name: ${JSON.stringify(path)}`
  const service = name.slice(0, slash)
  if (!services.has(service)) return `unknown service ${service}`
  return `unknown method ${name.slice(slash + 1)} for service ${service}`
}

/** Answers a request that becomes no call, with nothing but header fields. What it still sends is not read. */
function refuse(stream: ServerHttp2Stream, httpStatus: number, status: CallStatus): void {
  stream.resume()
  stream.respond({ ...responseHeaders, ':status': httpStatus, ...trailersOf(status) }, withoutBody)
  setImmediate(() => {
    if (!stream.destroyed) stream.close()
  })
}
