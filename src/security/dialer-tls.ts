import type { TLSSocket } from 'node:tls'
import type { Log } from '../base/log.ts'
import type { TlsFiles } from '../config/member-config.ts'
import { type Certificate, X509Error } from '../x509/index.ts'
import { presentedCertificates } from './certificate-chain.ts'
import { judge } from './judgement.ts'
import { LiveConnections } from './live-connections.ts'
import type { TlsMaterial } from './tls-files.ts'
import { TlsSource } from './tls-source.ts'

const recheckMs = 5_000

/** TLS for connections that begin here: the servers' certificates are judged as those of clients are. */
export class DialerTls {
  readonly #source: TlsSource
  readonly #log: Log
  readonly #live = new LiveConnections()
  readonly #recheck: NodeJS.Timeout

  /** @throws TlsFileError */
  constructor(files: TlsFiles, log: Log) {
    this.#source = new TlsSource(files)
    this.#log = log
    this.#recheck = setInterval(() => this.#judgeLive(), recheckMs).unref()
  }

  get material(): TlsMaterial {
    return this.#source.material
  }

  /** @throws TlsFileError: what was in use stays in use. */
  reload(): void {
    this.#source.reload()
    this.#judgeLive()
  }

  /** After the handshake. @returns the reason against the other side, or null: the connection is watched from now on. */
  refusalOf(socket: TLSSocket): string | null {
    let presented: readonly Certificate[]
    try {
      presented = presentedCertificates(socket)
    } catch (error) {
      if (error instanceof X509Error) return error.message
      throw error
    }
    const reason = judge(this.material, presented, 'server', Date.now())
    if (reason === null) this.#live.add(socket, presented)
    return reason
  }

  close(): void {
    clearInterval(this.#recheck)
  }

  #judgeLive(): void {
    const nowMs = Date.now()
    this.#live.recheck(
      (presented) => judge(this.material, presented, 'server', nowMs),
      (socket, reason) => {
        const remote = `${socket.remoteAddress}:${socket.remotePort}`
        this.#log.warn('closed a connection whose certificate is no longer good', { remote, reason })
      },
    )
  }
}
