import type { Socket } from 'node:net'

/**
 * Connections that have not shown who they are. Each address may have so many of them: one more ends its oldest, so that a
 * crowd of silent ones costs little and does not keep a client of the same address out.
 */
export class PendingHandshakes {
  readonly #perAddressMax: number
  readonly #byAddress = new Map<string, Set<Socket>>()

  constructor(perAddressMax: number) {
    this.#perAddressMax = perAddressMax
  }

  /** @returns to be called when the handshake is over, well or not; repeatable. */
  add(socket: Socket): () => void {
    const address = socket.remoteAddress ?? ''
    const pending = this.#byAddress.get(address) ?? new Set()
    this.#byAddress.set(address, pending)
    if (pending.size >= this.#perAddressMax) {
      const [oldest] = pending
      pending.delete(oldest!)
      oldest!.destroy()
    }
    pending.add(socket)
    return () => {
      if (pending.delete(socket) && pending.size === 0 && this.#byAddress.get(address) === pending) {
        this.#byAddress.delete(address)
      }
    }
  }
}
