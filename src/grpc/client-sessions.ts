import type { Http2Server, IncomingHttpHeaders, ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Server } from '@grpc/grpc-js'
import { assert } from '../base/assert.ts'
import { SessionGuard, type SessionGuardOptions } from './session-guard.ts'

/**
 * The HTTP/2 server inside a grpc-js server that has one connection injector. grpc-js gives no access to its sessions, and
 * the guard needs them; the version of grpc-js is pinned, and a change of its inside stops the member at start.
 */
export function innerHttp2Server(server: Server): Http2Server {
  const inner: unknown = Reflect.get(server, 'http2Servers')
  assert(inner instanceof Map && inner.size === 1, 'grpc-js keeps its HTTP/2 servers in another place')
  return inner.keys().next().value
}

/** Every open client connection and its guard. */
export class ClientSessions {
  readonly #guards = new Map<ServerHttp2Session, SessionGuard>()
  /** By `address:port`, the name under which grpc-js shows a call's connection. */
  readonly #byPeer = new Map<string, SessionGuard>()
  readonly #onEmpty: (() => void)[] = []

  constructor(server: Http2Server, options: SessionGuardOptions) {
    server.on('session', (session: ServerHttp2Session) => this.#opened(session, options))
    // Before grpc-js sees the stream.
    server.prependListener('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      shortenTimeout(headers)
      const guard = stream.session === undefined ? undefined : this.#guards.get(stream.session as ServerHttp2Session)
      if (guard === undefined) return
      guard.streamOpened()
      stream.once('close', streamClosed.bind(guard))
    })
  }

  messageSent(peer: string): void {
    this.#byPeer.get(peer)?.messageSent()
  }

  /** Resolves when no connection is open. */
  whenEmpty(): Promise<void> {
    if (this.#guards.size === 0) return Promise.resolve()
    return new Promise((resolve) => this.#onEmpty.push(resolve))
  }

  destroyAll(): void {
    for (const session of this.#guards.keys()) session.destroy()
  }

  #opened(session: ServerHttp2Session, options: SessionGuardOptions): void {
    const guard = new SessionGuard(session, options)
    const peer = `${session.socket.remoteAddress}:${session.socket.remotePort}`
    this.#guards.set(session, guard)
    this.#byPeer.set(peer, guard)
    session.once('close', () => {
      this.#guards.delete(session)
      if (this.#byPeer.get(peer) === guard) this.#byPeer.delete(peer)
      if (this.#guards.size === 0) for (const resolve of this.#onEmpty.splice(0)) resolve()
    })
  }
}

function streamClosed(this: SessionGuard): void {
  this.streamClosed()
}

/** The longest time that a timer takes, in whole hours. */
const timeoutHoursMax = Math.floor(0x7fffffff / 3_600_000)
const timeoutPattern = /^(\d{1,8})([HMSmun])$/
const secondsPerUnit = new Map([
  ['H', 3600],
  ['M', 60],
  ['S', 1],
])

/** grpc-js counts milliseconds in 32 bits, so a deadline of a month would have passed at once: such a one becomes the longest. */
function shortenTimeout(headers: IncomingHttpHeaders): void {
  const timeout = headers['grpc-timeout']
  if (typeof timeout !== 'string') return
  const match = timeoutPattern.exec(timeout)
  if (match === null) return
  const seconds = Number(match[1]) * (secondsPerUnit.get(match[2]!) ?? 0)
  if (seconds > timeoutHoursMax * 3600) headers['grpc-timeout'] = `${timeoutHoursMax}H`
}
