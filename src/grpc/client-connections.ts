import {
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Stream,
  type ServerSessionOptions,
} from 'node:http2'
import type { Socket } from 'node:net'
import { limits } from '../base/limits.ts'
import type { AcceptCall } from './accept-call.ts'
import { type CallMemory, ClientConnection } from './client-connection.ts'
import { PlaintextConnection } from './plaintext-connection.ts'
import type { SessionGuardOptions } from './session-guard.ts'

export interface ClientConnectionsOptions extends SessionGuardOptions {
  readonly maxConcurrentStreams: number
  readonly accept: AcceptCall
  /** Which user the client's certificate names, if it does. */
  userNameOf(socket: Socket): string | null
  /** Who is at the other end, as audit records have it; empty where there are none. */
  peerOf(socket: Socket): string
  /** What ended a connection that did not end by itself: broken HTTP/2, a flood. */
  onFailure(socket: Socket, reason: string): void
}

/** The one place that knows every open client connection. */
export class ClientConnections implements Iterable<ClientConnection> {
  readonly #open = new Set<ClientConnection>()
  readonly #options: ClientConnectionsOptions
  readonly #http2: ServerSessionOptions
  readonly #memory: CallMemory = { heldBytes: 0, unsentBytes: 0 }
  readonly #onEmpty: (() => void)[] = []
  /** Null: clients are welcome. */
  #partingMs: number | null = null

  constructor(options: ClientConnectionsOptions) {
    this.#options = options
    this.#http2 = {
      maxSessionMemory: limits.connectionHttp2MegabytesMax,
      // Cancelling a call is a reset: clients that give up many calls at once are no attack yet.
      streamResetBurst: limits.streamResetsAtOnceMax,
      streamResetRate: limits.streamResetsPerSecondMax,
      // Else a field with blanks around its value is dropped without a word, and a call with such a token judged by its certificate.
      strictFieldWhitespaceValidation: false,
      settings: {
        enablePush: false,
        initialWindowSize: limits.streamWindowBytes,
        maxConcurrentStreams: Math.min(options.maxConcurrentStreams, limits.streamsPerConnectionMax),
        maxHeaderListSize: limits.headerListBytesMax,
      },
    }
  }

  [Symbol.iterator](): Iterator<ClientConnection> {
    return this.#open.values()
  }

  /** Speaks HTTP/2 on `socket`, of which nothing has been read. */
  open(socket: Socket): void {
    if (socket.destroyed) return
    const isEncrypted = 'encrypted' in socket
    const session = performServerHandshake(isEncrypted ? socket : new PlaintextConnection(socket), this.#http2)
    session.setLocalWindowSize(limits.connectionWindowBytes)
    const userName = this.#options.userNameOf(socket)
    const peer = this.#options.peerOf(socket)
    const connection = new ClientConnection(session, socket, this.#options, this.#memory, userName, peer)
    this.#open.add(connection)
    const { accept } = this.#options
    session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
      accept(connection, stream, headers),
    )
    session.on('error', (error: Error) => this.#options.onFailure(socket, error.message))
    session.once('close', () => this.#closed(connection))
    if (this.#partingMs !== null) connection.goAway(this.#partingMs)
  }

  /** Tells all clients to go elsewhere, also who comes later; unary calls under way go on. */
  goAway(partingMs: number): void {
    this.#partingMs = partingMs
    for (const connection of this.#open) connection.goAway(partingMs)
  }

  stopCalls(): void {
    for (const connection of this.#open) connection.stopCalls()
  }

  /** Resolves when no connection is open. */
  whenEmpty(): Promise<void> {
    if (this.#open.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onEmpty.push(resolve))
  }

  destroyAll(): void {
    for (const { session } of this.#open) session.destroy()
  }

  #closed(connection: ClientConnection): void {
    this.#open.delete(connection)
    if (this.#open.size === 0) for (const resolve of this.#onEmpty.splice(0)) resolve()
  }
}
