import type { IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import type { Auditor } from '../audit/auditor.ts'
import { peerJson } from '../audit/render.ts'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import type { TlsFiles } from '../config/member-config.ts'
import { type CertificateIdentity, nameOfPeer } from '../security/client-name.ts'
import { identityOfPeer } from '../security/peer-identity.ts'
import { type Listener, listen } from '../security/tls-listener.ts'
import type { TlsSource } from '../security/tls-source.ts'
import type { Refusal, TlsCounts } from '../security/tls-status.ts'
import type { Member } from '../service/member.ts'
import { callAcceptor } from './accept-call.ts'
import { CallCounts } from './call-counts.ts'
import { ClientConnections } from './client-connections.ts'
import type { MethodTable } from './method.ts'
import { routeConnection } from './route-connection.ts'

export interface TransportOptions {
  readonly member: Member
  readonly table: MethodTable
  /** `https:` ones end TLS with `tls`; `http:` ones are plaintext. */
  readonly listenUrls: readonly URL[]
  readonly tls: TlsFiles | TlsSource | null
  /** Whether clients' certificates say which users they are. */
  readonly clientCertAuth?: boolean
  /** By which of their names; by default the common name. */
  readonly clientCertIdentity?: CertificateIdentity
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
  /** Counted up here, if given. */
  readonly counts?: CallCounts
  readonly tlsCounts?: TlsCounts
  /** Takes note of the calls; absent or null: nobody does. */
  readonly audit?: Auditor | null
  /** Takes over HTTP/1 connections, nothing read from them yet. */
  readonly http1: (socket: Socket) => void
  /** Takes over what asks for a page over HTTP/2. */
  readonly page: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => void
}

export interface Transport {
  /** One for each of `listenUrls`, in order. */
  readonly addresses: readonly AddressInfo[]
  /** Tells clients to go elsewhere, lets calls under way finish for up to `drainMs`, then ends what is left. Repeatable. */
  close(drainMs: number): Promise<void>
}

/**
 * Serves a method table over gRPC on all of `listenUrls`.
 *
 * @throws TlsFileError, or the system's error if an address cannot be listened on; nothing is left listening then.
 */
export async function startTransport(options: TransportOptions): Promise<Transport> {
  const { member, table, log, audit = null, clientCertIdentity: certificateName = 'common-name' } = options
  const connections = new ClientConnections({
    maxConcurrentStreams: options.maxConcurrentStreams,
    pingIntervalMsMin: options.grpcKeepaliveMinTimeMs,
    keepaliveIntervalMs: options.grpcKeepaliveIntervalMs,
    keepaliveTimeoutMs: options.grpcKeepaliveTimeoutMs,
    handshakeMsMax: limits.handshakeMsMax,
    onTooManyPings: () => log.warn('closed a client connection: too many pings'),
    onFailure: ({ remoteAddress, remotePort }, reason) =>
      log.debug('a client connection failed', { remote: `${remoteAddress}:${remotePort}`, reason }),
    userNameOf: (socket) => (options.clientCertAuth === true ? nameOfPeer(socket, certificateName) : null),
    peerOf: audit === null ? () => '' : (socket) => peerJson(identityOfPeer(socket)),
    accept: callAcceptor(table, {
      member,
      log,
      audit,
      counts: options.counts ?? new CallCounts(false),
      page: options.page,
      messageBytesMax: options.maxRequestBytes + limits.grpcOverheadBytes,
    }),
  })

  let draining = false
  const routes = {
    http2: (socket: Socket): void => connections.open(socket),
    http1: (socket: Socket): void => void (draining ? socket.destroy() : options.http1(socket)),
  }
  const onConnection = (socket: Socket, alpn: string | false): void =>
    routeConnection(socket, alpn, limits.handshakeMsMax, routes)

  const listeners: Listener[] = []
  const closeAll = async (): Promise<void> => {
    await Promise.all(listeners.map((listener) => listener.close()))
  }
  try {
    for (const url of options.listenUrls) {
      const { tls, reusePort, tlsCounts } = options
      const { handshakeMsMax } = limits
      const counting = tlsCounts === undefined ? {} : { counts: tlsCounts }
      const auditing =
        audit === null
          ? {}
          : { onRefused: (remote: string, { kind, reason }: Refusal) => audit.refusedConnection(remote, kind, reason) }
      const alpn = ['h2', 'http/1.1']
      listeners.push(
        await listen({ url, tls, alpn, reusePort, handshakeMsMax, log, onConnection, ...counting, ...auditing }),
      )
    }
  } catch (error) {
    await closeAll()
    throw error
  }

  let closed: Promise<void> | null = null
  const drainAndClose = async (drainMs: number): Promise<void> => {
    draining = true
    const partingMs = Math.min(limits.clientPartingMsMax, drainMs)
    for (const listener of listeners) listener.refuse()
    connections.goAway(partingMs)
    const untilEmpty = async (ms: number): Promise<void> => {
      let timer: NodeJS.Timeout | undefined
      const tooLong = new Promise<void>((resolve) => {
        timer = setTimeout(resolve, ms)
      })
      await Promise.race([connections.whenEmpty(), tooLong])
      clearTimeout(timer)
    }
    await untilEmpty(drainMs)
    connections.stopCalls()
    await untilEmpty(partingMs)
    connections.destroyAll()
    await closeAll()
  }
  return {
    addresses: listeners.map((listener) => listener.address),
    close(drainMs) {
      closed ??= drainAndClose(drainMs)
      return closed
    },
  }
}
