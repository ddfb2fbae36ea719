import type { Socket } from 'node:net'
import { networkOf } from '../base/network-address.ts'

/**
 * Connections that have not shown who they are. Each address may have so many of them, and all together: one more ends the
 * oldest, so that a crowd of silent ones costs little and keeps nobody out who speaks. A host on IPv6 has a whole network
 * of addresses: its first half counts.
 */
export class PendingHandshakes {
  readonly #perAddressMax: number
  readonly #max: number
  readonly #byAddress = new Map<string, Set<Socket>>()
  /** In the order of arrival, each with its address. */
  readonly #all = new Map<Socket, string>()

  constructor(perAddressMax: number, max: number) {
    this.#perAddressMax = perAddressMax
    this.#max = max
  }

  get size(): number {
    return this.#all.size
  }

  /** @returns to be called when the handshake is over, well or not; repeatable. */
  add(socket: Socket): () => void {
    const address = networkOf(socket.remoteAddress ?? '')
    const [first] = this.#byAddress.get(address) ?? []
    if (first !== undefined && this.#byAddress.get(address)!.size >= this.#perAddressMax) this.#end(first)
    if (this.#all.size >= this.#max) this.#end(this.#all.keys().next().value!)
    const pending = this.#byAddress.get(address) ?? new Set()
    this.#byAddress.set(address, pending)
    pending.add(socket)
    this.#all.set(socket, address)
    return () => this.#remove(socket)
  }

  #end(socket: Socket): void {
    this.#remove(socket)
    socket.destroy()
  }

  #remove(socket: Socket): void {
    const address = this.#all.get(socket)
    if (address === undefined) return
    this.#all.delete(socket)
    const pending = this.#byAddress.get(address)!
    pending.delete(socket)
    if (pending.size === 0) this.#byAddress.delete(address)
  }
}
