import { type AddressInfo, createServer as createPlainServer, type Server, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Log } from '../base/log.ts'
import type { TlsFiles } from '../config/member-config.ts'
import type { Certificate } from '../x509/index.ts'
import { SecureServer } from './secure-server.ts'
import { TlsSource } from './tls-source.ts'
import { newTlsCounts, type Refusal, type TlsCounts } from './tls-status.ts'

export interface ListenOptions {
  /** `https:` ends TLS with `tls`, `http:` is plaintext. Port 0 lets the system choose one. */
  readonly url: URL
  /** Required for `https:`; ignored for `http:`. Files: a source of its own, and no warnings are logged. */
  readonly tls: TlsFiles | TlsSource | null
  /** In order of preference. A TLS client that offers others only is refused; one that offers none is let in. */
  readonly alpn: readonly string[]
  /** Several threads or processes may listen on the same address; the system shares connections out. */
  readonly reusePort: boolean
  readonly handshakeMsMax: number
  readonly log: Log
  /**
   * A connection that is through its handshake: the socket has an error handler already, is closed with the listener, and
   * sends without delay. `alpn` is what was agreed; false if nothing was.
   */
  onConnection(socket: Socket | TLSSocket, alpn: string | false): void
  /** Counted up here, if given. */
  readonly counts?: TlsCounts
  /** Told of each connection whose handshake is refused. */
  onRefused?(remote: string, refusal: Refusal): void
  /** Asked once of each client whose certificate is good; answers the reason against it, or null. */
  admit?(leaf: Certificate, remoteAddress: string): Promise<string | null>
}

export interface Listener {
  readonly address: AddressInfo
  /** Stops listening; connections that have come in go on. Repeatable. */
  refuse(): void
  /** Stops listening and ends every connection that came in here. Resolves when all are closed; repeatable. */
  close(): Promise<void>
}

/**
 * Listens on `options.url`.
 *
 * @throws TlsFileError if the files are unusable, or the system's error (EADDRINUSE and the like).
 */
export async function listen(options: ListenOptions): Promise<Listener> {
  const secure = options.url.protocol === 'https:'
  if (!secure && options.url.protocol !== 'http:') {
    throw new Error(`cannot listen on ${options.url.href}: the scheme must be http or https`)
  }
  const sockets = new Set<Socket>()
  const secured = secure ? secureServer(options, sockets) : null
  const server: Server = secured?.server ?? plainServer(options, sockets)
  const address = await bind(server, options)
  // From here on: running out of descriptors and the like. The listener stays; connections wait in the backlog.
  server.on('error', (error) =>
    options.log.error('listener failed to accept', { ...where(options), reason: error.message }),
  )

  let closed: Promise<void> | null = null
  const stopListening = (): Promise<void> => {
    closed ??= new Promise((resolve) => {
      server.close(() => resolve())
    })
    return closed
  }
  return {
    address,
    refuse: stopListening,
    close() {
      const all = stopListening()
      for (const socket of sockets) socket.destroy()
      return all
    },
  }
}

function plainServer(options: ListenOptions, sockets: Set<Socket>): Server {
  return createPlainServer({ noDelay: true }, (socket) => {
    track(socket, sockets, options.log)
    options.onConnection(socket, false)
  })
}

function secureServer(options: ListenOptions, sockets: Set<Socket>): SecureServer {
  const { url, tls, alpn, handshakeMsMax, log, counts, admit, onRefused } = options
  if (tls === null) throw new Error(`cannot listen on ${url.href}: no certificate and key file given`)
  const secured = new SecureServer({
    name: url.host,
    tls: TlsSource.of(tls),
    alpn,
    handshakeMsMax,
    log,
    counts: counts ?? newTlsCounts(),
    ...(admit === undefined ? {} : { admit }),
    ...(onRefused === undefined ? {} : { onRefused }),
    onConnection(socket) {
      track(socket, sockets, log)
      options.onConnection(socket, socket.alpnProtocol === null ? false : socket.alpnProtocol)
    },
  })
  // The raw connection is tracked beside the TLS one, so that close() also ends those still in their handshake.
  secured.server.on('connection', (socket: Socket) => track(socket, sockets, log))
  return secured
}

function track(socket: Socket, sockets: Set<Socket>, log: Log): void {
  sockets.add(socket)
  socket.once('close', () => sockets.delete(socket))
  // A socket error without a listener would end the process. Resets by the other side are everyday.
  socket.on('error', (error) => log.debug('connection failed', { remote: remoteOf(socket), reason: error.message }))
}

const remoteOf = (socket: Socket): string => `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`

const where = (options: ListenOptions): { listener: string } => ({ listener: options.url.host })

function bind(server: Server, options: ListenOptions): Promise<AddressInfo> {
  const { host, port } = hostAndPort(options.url)
  return new Promise((resolve, reject) => {
    const fail = (error: Error): void => reject(error)
    server.once('error', fail)
    server.listen({ host, port, exclusive: true, reusePort: options.reusePort, backlog: 1024 }, () => {
      server.off('error', fail)
      resolve(server.address() as AddressInfo)
    })
  })
}

/** Host without the brackets of an IPv6 address; the scheme's port if the URL names none. */
export function hostAndPort(url: URL): { readonly host: string; readonly port: number } {
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
  return { host, port }
}
