import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import { limitedLog } from '../security/limited-log.ts'
import type { Member } from '../service/member.ts'
import { type Answer, errorAnswer } from './answer.ts'
import { ConnectionDeadline } from './connection-deadline.ts'
import type { HealthCounts } from './health-counts.ts'
import { type AnswerStream, http2Answers } from './http2-answers.ts'
import { createPaths } from './paths.ts'

export interface Http1Options {
  readonly member: Member
  readonly metrics: () => Promise<string>
  readonly healthCounts: HealthCounts
  readonly log: Log
}

export interface Http1Server {
  /** Speaks HTTP/1.1 on a connection that is through its handshake, nothing read from it yet. */
  accept(socket: Socket): void
  /** The same for one request over HTTP/2. */
  readonly answerStream: AnswerStream
  /** Ends all connections. */
  close(): void
}

/** Refused requests and failing checks in the log, each: whoever reaches the port can cause them. */
const logged = 10
const logIntervalMs = 60_000

/** The HTTP/1.1 side of a port: `paths.ts` says what there is to ask. */
export function createHttp1Server({ member, metrics, healthCounts, log }: Http1Options): Http1Server {
  const paths = createPaths({ member, metrics, counts: healthCounts, log: limitedLog(log, logged, logIntervalMs) })
  /** In the order of their last answers. */
  const open = new Map<Socket, ConnectionDeadline>()
  const server = createServer(
    {
      maxHeaderSize: limits.headerListBytesMax,
      // Deadlines are those of `ConnectionDeadline`: Node looks after its own only where it listens itself.
      headersTimeout: 0,
      requestTimeout: 0,
      keepAliveTimeout: 0,
    },
    (request, response) => serve(request, response),
  )
  server.maxRequestsPerSocket = limits.http1RequestsPerConnectionMax

  const serve = (request: IncomingMessage, response: ServerResponse): void => {
    const { socket } = request
    open.get(socket)?.set(limits.http1AnswerMsMax)
    response.once('finish', () => answered(socket))
    // Nothing takes a body yet, and what is not read must not stand in front of the next request.
    const isLast = hasBody(request)
    if (!isLast) request.resume()
    const { method = '', url = '' } = request
    answerTo(method, url).then((answer) => send(response, answer, isLast))
  }

  const answerTo = (method: string, url: string): Promise<Answer> => {
    const at = url.indexOf('?')
    const path = at === -1 ? url : url.slice(0, at)
    return paths(method, path, new URLSearchParams(at === -1 ? '' : url.slice(at + 1))).catch((error: unknown) => {
      log.error('a request over HTTP failed', { path: path.slice(0, 100), error })
      return errorAnswer(503, 'cannot be answered now')
    })
  }

  const answered = (socket: Socket): void => {
    const deadline = open.get(socket)
    if (deadline === undefined) return
    open.delete(socket)
    open.set(socket, deadline)
    deadline.set(limits.http1IdleMsMax)
  }

  return {
    accept(socket) {
      if (open.size >= limits.http1ConnectionsMax) {
        const [oldest] = open.keys()
        open.delete(oldest!)
        oldest!.destroy()
      }
      open.set(socket, new ConnectionDeadline(socket, limits.handshakeMsMax))
      socket.once('close', () => open.delete(socket))
      server.emit('connection', socket)
    },
    answerStream: http2Answers(answerTo),
    close() {
      for (const socket of open.keys()) socket.destroy()
    },
  }
}

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0'

function send(response: ServerResponse, { status, headers, body }: Answer, isLast: boolean): void {
  const bytes = Buffer.from(body)
  response.writeHead(status, {
    ...headers,
    'Content-Length': bytes.length,
    ...(isLast ? { Connection: 'close' } : {}),
  })
  response.end(bytes)
}
