import type { TLSSocket } from 'node:tls'
import type { Log } from '../base/log.ts'
import type { TlsFiles } from '../config/member-config.ts'
import { type Certificate, X509Error } from '../x509/index.ts'
import { presentedCertificates } from './certificate-chain.ts'
import { judge } from './judgement.ts'
import { LiveConnections } from './live-connections.ts'
import type { TlsMaterial } from './tls-files.ts'
import { TlsSource } from './tls-source.ts'
import { newTlsCounts, type Refusal, type TlsCounts } from './tls-status.ts'

const recheckMs = 5_000

/** TLS for connections that begin here: the servers' certificates are judged as those of clients are. */
export class DialerTls {
  readonly #source: TlsSource
  readonly #log: Log
  readonly #counts: TlsCounts
  readonly #live = new LiveConnections()
  readonly #recheck: NodeJS.Timeout
  readonly #unsubscribe: () => void

  /** @param tls files: a source of its own. @throws TlsFileError */
  constructor(tls: TlsFiles | TlsSource, log: Log, counts: TlsCounts = newTlsCounts()) {
    this.#source = TlsSource.of(tls)
    this.#log = log
    this.#counts = counts
    this.#recheck = setInterval(() => this.#judgeLive(), recheckMs).unref()
    this.#unsubscribe = this.#source.onChange(() => this.#judgeLive())
  }

  get material(): TlsMaterial {
    return this.#source.material
  }

  /** @throws TlsFileError: what was in use stays in use. */
  reload(): void {
    this.#source.reload()
  }

  /** After the handshake. @returns the reason against the other side, or null: the connection is watched from now on. */
  refusalOf(socket: TLSSocket): string | null {
    const presented = presentedBy(socket)
    const refusal = 'kind' in presented ? presented : judge(this.material, presented, 'server', Date.now())
    if (refusal === null) {
      this.#counts.accepted++
      this.#live.add(socket, presented as readonly Certificate[])
      return null
    }
    this.#counts.refused[refusal.kind]++
    return refusal.reason
  }

  close(): void {
    clearInterval(this.#recheck)
    this.#unsubscribe()
  }

  #judgeLive(): void {
    const nowMs = Date.now()
    this.#live.recheck(
      (presented) => judge(this.material, presented, 'server', nowMs),
      (socket, { kind, reason }) => {
        this.#counts.closed[kind]++
        const remote = `${socket.remoteAddress}:${socket.remotePort}`
        this.#log.warn('closed a connection whose certificate is no longer good', { remote, reason })
      },
    )
  }
}

function presentedBy(socket: TLSSocket): readonly Certificate[] | Refusal {
  try {
    return presentedCertificates(socket)
  } catch (error) {
    if (error instanceof X509Error) return { kind: 'malformed', reason: error.message }
    throw error
  }
}
