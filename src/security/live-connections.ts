import type { TLSSocket } from 'node:tls'
import type { Certificate } from '../x509/index.ts'
import type { Refusal } from './tls-status.ts'

/** Called with the reason before the connection is closed. */
export type OnRefused = (socket: TLSSocket, refusal: Refusal) => void

/** Open connections and the certificates that let them in, to be judged again. */
export class LiveConnections {
  readonly #presented = new Map<TLSSocket, readonly Certificate[]>()

  add(socket: TLSSocket, presented: readonly Certificate[]): void {
    this.#presented.set(socket, presented)
    socket.once('close', () => this.#presented.delete(socket))
  }

  /** Closes at once what `judge` gives a reason against. */
  recheck(judge: (presented: readonly Certificate[]) => Refusal | null, onRefused: OnRefused): void {
    for (const [socket, presented] of this.#presented) {
      const refusal = judge(presented)
      if (refusal === null) continue
      this.#presented.delete(socket)
      onRefused(socket, refusal)
      socket.destroy()
    }
  }
}
