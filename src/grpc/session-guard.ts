import { constants, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'

export interface SessionGuardOptions {
  /** Pings that come faster than this are counted against the client. */
  readonly pingIntervalMsMin: number
  /** The client's connection preface and settings must have come by then. */
  readonly handshakeMsMax: number
  /** The client is pinged this often, and cut off if its answer takes longer than the timeout. Either 0: never. */
  readonly keepaliveIntervalMs: number
  readonly keepaliveTimeoutMs: number
  /** Told once, when the client is sent away for its pings. */
  onTooManyPings(): void
}

/** Pings that may come too fast before the connection is closed, and the pause allowed for a client without a call. */
const strikesMax = 2
const idlePingIntervalMs = 2 * 60 * 60 * 1000
/** Written between two pings although nothing of a call went out: an answer to the ping, settings, window updates. */
const idleBytesMax = 64
const tooManyPings = Buffer.from('too_many_pings')

/**
 * Watches over one client connection for what node:http2 does not: a client that connects and says nothing, one that
 * pings all the time, and one that is gone without having said so. The strikes are forgotten whenever data goes out,
 * because grpc-go answers received data with pings to measure the link: also many times within one large message.
 *
 * @source gRPC proposals A8 (client-side keepalive), section "Server Enforcement", and A9 (server-side keepalive).
 */
export class SessionGuard {
  readonly #session: ServerHttp2Session
  readonly #socket: Socket
  readonly #options: SessionGuardOptions
  #strikes = 0
  #lastPingMs = Number.NEGATIVE_INFINITY
  #bytesAtPing = 0
  #openCalls = 0
  #isSentAway = false
  /** At most one of: waiting for the next ping, or for the answer to one. */
  #keepaliveTimer: NodeJS.Timeout | undefined

  constructor(session: ServerHttp2Session, socket: Socket, options: SessionGuardOptions) {
    this.#session = session
    this.#socket = socket
    this.#options = options
    const silence = setTimeout(() => session.destroy(), options.handshakeMsMax)
    session.once('remoteSettings', () => clearTimeout(silence))
    session.once('close', () => {
      clearTimeout(silence)
      clearTimeout(this.#keepaliveTimer)
    })
    session.on('ping', () => this.#pinged(performance.now()))
    if (options.keepaliveIntervalMs > 0 && options.keepaliveTimeoutMs > 0) this.#pingLater()
  }

  callsOpen(count: number): void {
    this.#openCalls = count
    this.messageSent()
  }

  messageSent(): void {
    this.#strikes = 0
    this.#lastPingMs = Number.NEGATIVE_INFINITY
  }

  #pingLater(): void {
    this.#keepaliveTimer = setTimeout(() => this.#ping(), this.#options.keepaliveIntervalMs)
    this.#keepaliveTimer.unref()
  }

  #ping(): void {
    if (this.#session.destroyed || this.#session.closed) return
    this.#keepaliveTimer = setTimeout(() => this.#session.destroy(), this.#options.keepaliveTimeoutMs)
    this.#keepaliveTimer.unref()
    this.#session.ping((error) => {
      clearTimeout(this.#keepaliveTimer)
      if (error === null) this.#pingLater()
    })
  }

  #pinged(nowMs: number): void {
    const bytesWritten = this.#socket.bytesWritten
    if (bytesWritten - this.#bytesAtPing > idleBytesMax) this.messageSent()
    this.#bytesAtPing = bytesWritten
    const pauseMs = nowMs - this.#lastPingMs
    this.#lastPingMs = nowMs
    if (pauseMs >= (this.#openCalls > 0 ? this.#options.pingIntervalMsMin : idlePingIntervalMs)) return
    if (++this.#strikes <= strikesMax || this.#session.destroyed || this.#isSentAway) return
    // Many pings may have come in one piece, and all are reported before the session ends.
    this.#isSentAway = true
    this.#options.onTooManyPings()
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, this.#session.state.lastProcStreamID ?? 0, tooManyPings)
    // The frame has to leave first, so not destroy at once: close() waits for open streams, which get no longer than this.
    this.#session.close()
    setImmediate(() => this.#session.destroy())
  }
}
