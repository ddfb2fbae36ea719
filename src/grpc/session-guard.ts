import { constants, type ServerHttp2Session } from 'node:http2'
import { performance } from 'node:perf_hooks'

export interface SessionGuardOptions {
  /** Pings that come faster than this are counted against the client. */
  readonly pingIntervalMsMin: number
  /** The client's connection preface and settings must have come by then. */
  readonly handshakeMsMax: number
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
 * Watches over one client connection for what grpc-js does not: a client that connects and says nothing, and one that
 * pings all the time. The strikes are forgotten whenever data goes out, because grpc-go answers received data with pings
 * to measure the link: also many times within one large message.
 *
 * @source gRPC proposal A8 (client-side keepalive), section "Server Enforcement".
 */
export class SessionGuard {
  readonly #session: ServerHttp2Session
  readonly #options: SessionGuardOptions
  #strikes = 0
  #lastPingMs = Number.NEGATIVE_INFINITY
  #bytesAtPing = 0
  #openStreams = 0
  #isSentAway = false

  constructor(session: ServerHttp2Session, options: SessionGuardOptions) {
    this.#session = session
    this.#options = options
    const silence = setTimeout(() => session.destroy(), options.handshakeMsMax)
    session.once('remoteSettings', () => clearTimeout(silence))
    session.once('close', () => clearTimeout(silence))
    session.on('ping', () => this.#pinged(performance.now()))
  }

  streamOpened(): void {
    this.#openStreams++
    this.messageSent()
  }

  streamClosed(): void {
    this.#openStreams--
    this.messageSent()
  }

  messageSent(): void {
    this.#strikes = 0
    this.#lastPingMs = Number.NEGATIVE_INFINITY
  }

  #pinged(nowMs: number): void {
    const bytesWritten = this.#session.socket?.bytesWritten ?? 0
    if (bytesWritten - this.#bytesAtPing > idleBytesMax) this.messageSent()
    this.#bytesAtPing = bytesWritten
    const pauseMs = nowMs - this.#lastPingMs
    this.#lastPingMs = nowMs
    if (pauseMs >= (this.#openStreams > 0 ? this.#options.pingIntervalMsMin : idlePingIntervalMs)) return
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
