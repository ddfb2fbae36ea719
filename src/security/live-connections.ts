import type { TLSSocket } from 'node:tls'
import type { Certificate } from '../x509/index.ts'

/** Called with the reason before the connection is closed. */
export type OnRefused = (socket: TLSSocket, reason: string) => void

/** Open connections and the certificates that let them in, to be judged again. */
export class LiveConnections {
  readonly #presented = new Map<TLSSocket, readonly Certificate[]>()

  add(socket: TLSSocket, presented: readonly Certificate[]): void {
    this.#presented.set(socket, presented)
    socket.once('close', () => this.#presented.delete(socket))
  }

  /** Closes at once what `judge` gives a reason against. */
  recheck(judge: (presented: readonly Certificate[]) => string | null, onRefused: OnRefused): void {
    for (const [socket, presented] of this.#presented) {
      const reason = judge(presented)
      if (reason === null) continue
      this.#presented.delete(socket)
      onRefused(socket, reason)
      socket.destroy()
    }
  }
}
