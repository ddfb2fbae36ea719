import type { PeerConnection } from './connection.ts'
import type { PeerTimeouts } from './peer-limits.ts'

/**
 * Finds dead connections. Both sides send a ping every `pingMs`, without answers: so a side that has a lot to send never
 * has to wait behind its own queue to learn that the other one lives.
 */
export class Keepalive {
  readonly #timeouts: PeerTimeouts
  readonly #connections = new Set<PeerConnection>()
  #timer: NodeJS.Timeout | null = null
  #lastTickMs = 0

  constructor(timeouts: PeerTimeouts) {
    this.#timeouts = timeouts
  }

  start(): void {
    this.#lastTickMs = performance.now()
    this.#timer = setInterval(() => this.#tick(), this.#timeouts.pingMs)
  }

  stop(): void {
    if (this.#timer !== null) clearInterval(this.#timer)
    this.#timer = null
  }

  add(connection: PeerConnection): void {
    this.#connections.add(connection)
    connection.socket.once('close', () => this.#connections.delete(connection))
  }

  #tick(): void {
    const now = performance.now()
    // If this process was stopped or busy, what the others sent meanwhile lies unread in the sockets: judge next time.
    const late = now - this.#lastTickMs > 2 * this.#timeouts.pingMs
    this.#lastTickMs = now
    for (const connection of this.#connections) {
      if (connection.closed) continue
      if (late || connection.paused) connection.lastReceivedMs = now
      else if (now - connection.lastReceivedMs > this.#timeouts.silenceMsMax) {
        connection.close('silent')
        continue
      }
      connection.ping()
    }
  }
}
