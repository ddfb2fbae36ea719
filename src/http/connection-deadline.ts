import type { Socket } from 'node:net'

/**
 * Ends a connection that takes too long over what is its turn: the client over a request, or over taking the answer. One
 * deadline at a time, for the whole of it, so that a byte now and then does not prolong it.
 */
export class ConnectionDeadline {
  readonly #socket: Socket
  #timer: NodeJS.Timeout | undefined

  constructor(socket: Socket, ms: number) {
    this.#socket = socket
    socket.once('close', () => clearTimeout(this.#timer))
    this.set(ms)
  }

  /** From now on. */
  set(ms: number): void {
    clearTimeout(this.#timer)
    if (this.#socket.destroyed) return
    this.#timer = setTimeout(() => this.#socket.destroy(), ms).unref()
  }
}
