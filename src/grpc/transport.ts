import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { Server, ServerCredentials } from '@grpc/grpc-js'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import type { TlsFiles } from '../config/member-config.ts'
import { type Listener, listen } from '../security/tls-listener.ts'
import type { Member } from '../service/member.ts'
import { ClientSessions, innerHttp2Server } from './client-sessions.ts'
import type { MethodTable } from './method.ts'
import { injectPlaintext } from './plaintext-connection.ts'
import { callInterceptor, registerMethods } from './register.ts'
import { refuseHttp1, routeConnection } from './route-connection.ts'

export interface TransportOptions {
  readonly member: Member
  readonly table: MethodTable
  /** `https:` ones end TLS with `tls`; `http:` ones are plaintext. */
  readonly listenUrls: readonly URL[]
  readonly tls: TlsFiles | null
  /** Several threads listen on the same addresses. */
  readonly reusePort: boolean
  readonly maxRequestBytes: number
  readonly maxConcurrentStreams: number
  /** Clients that ping more often are sent away. */
  readonly grpcKeepaliveMinTimeMs: number
  /** A connection is pinged this often, and closed if the answer takes longer than the timeout. */
  readonly grpcKeepaliveIntervalMs: number
  readonly grpcKeepaliveTimeoutMs: number
  readonly log: Log
  /** Takes over HTTP/1 connections, nothing read from them yet. Without it they are told that this is no HTTP/1 address. */
  readonly http1?: (socket: Socket) => void
}

export interface Transport {
  /** One for each of `listenUrls`, in order. */
  readonly addresses: readonly AddressInfo[]
  /** Reads the TLS files again, for connections from now on. On TlsFileError the old ones stay in use. */
  reloadTls(): void
  /** Lets calls under way finish for up to `drainMs`, then cuts what is left. Repeatable. */
  close(drainMs: number): Promise<void>
}

/**
 * Serves a method table over gRPC on all of `listenUrls`.
 *
 * @throws TlsFileError, or the system's error if an address cannot be listened on; nothing is left listening then.
 */
export async function startTransport(options: TransportOptions): Promise<Transport> {
  const { member, table, log } = options
  // Needs the server, and the server needs the interceptor.
  let sessions: ClientSessions | undefined
  const onStreamMessageSent = (peer: string): void => sessions?.messageSent(peer)
  const server = new Server({
    interceptors: [callInterceptor(table, { member, log, onStreamMessageSent })],
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': options.maxRequestBytes + limits.grpcOverheadBytes,
    'grpc.max_send_message_length': -1,
    'grpc.max_concurrent_streams': Math.min(options.maxConcurrentStreams, 0xffffffff),
    'grpc.keepalive_time_ms': options.grpcKeepaliveIntervalMs,
    'grpc.keepalive_timeout_ms': options.grpcKeepaliveTimeoutMs,
  })
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure())
  const http2Server = innerHttp2Server(server)
  sessions = new ClientSessions(http2Server, {
    pingIntervalMsMin: options.grpcKeepaliveMinTimeMs,
    handshakeMsMax: limits.handshakeMsMax,
    onTooManyPings: () => log.warn('closed a client connection: too many pings'),
  })
  registerMethods(server, table)

  let draining = false
  const http1 = options.http1 ?? refuseHttp1
  const inject = (connection: Duplex): void => injector.injectConnection(connection)
  const http2 = (socket: Socket): void => {
    if ('encrypted' in socket) inject(socket)
    else injectPlaintext(http2Server, socket, inject)
  }
  const routes = { http2, http1 }
  const onConnection = (socket: Socket, alpn: string | false): void => {
    if (draining) socket.destroy()
    else routeConnection(socket, alpn, limits.handshakeMsMax, routes)
  }

  const listeners: Listener[] = []
  const closeAll = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close()))
    server.forceShutdown()
  }
  try {
    for (const url of options.listenUrls) {
      const { tls, reusePort } = options
      const { handshakeMsMax } = limits
      listeners.push(await listen({ url, tls, alpn: ['h2', 'http/1.1'], reusePort, handshakeMsMax, log, onConnection }))
    }
  } catch (error) {
    await closeAll()
    throw error
  }

  let closed: Promise<void> | null = null
  const drainAndClose = async (drainMs: number): Promise<void> => {
    draining = true
    injector.drain(drainMs)
    let timer: NodeJS.Timeout | undefined
    const tooLong = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, drainMs)
    })
    await Promise.race([sessions.whenEmpty(), tooLong])
    clearTimeout(timer)
    sessions.destroyAll()
    await closeAll()
  }
  return {
    addresses: listeners.map((listener) => listener.address),
    reloadTls() {
      for (const listener of listeners) listener.reload()
    },
    close(drainMs) {
      closed ??= drainAndClose(drainMs)
      return closed
    },
  }
}
