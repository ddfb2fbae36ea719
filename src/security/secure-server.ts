import type { Socket } from 'node:net'
import { createServer, type TLSSocket, type Server as TlsServer } from 'node:tls'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import { type Certificate, X509Error } from '../x509/index.ts'
import { presentedCertificates } from './certificate-chain.ts'
import { handshakeRefusal } from './handshake-refusal.ts'
import { judge } from './judgement.ts'
import { type LimitedLog, limitedLog } from './limited-log.ts'
import { LiveConnections } from './live-connections.ts'
import { PendingHandshakes } from './pending-handshakes.ts'
import { serverTlsOptions } from './tls-context.ts'
import type { TlsSource } from './tls-source.ts'
import type { Refusal, TlsCounts } from './tls-status.ts'

export interface SecureServerOptions {
  /** In log lines. */
  readonly name: string
  readonly tls: TlsSource
  readonly alpn: readonly string[]
  readonly handshakeMsMax: number
  readonly log: Log
  /** Asked once of each connection with a good certificate; answers the reason against it, or null. */
  admit?(leaf: Certificate, remoteAddress: string): Promise<string | null>
  /** Counted up here. */
  readonly counts: TlsCounts
  onConnection(socket: TLSSocket): void
  /** Told of each that is not let in. */
  onRefused?(remote: string, refusal: Refusal): void
}

/** Refused connections reported per interval: anyone who reaches the port can cause them. */
const refusalsLogged = 20
const refusalIntervalMs = 10_000
/** Certificates and lists run out without any file being changed. */
const recheckMs = 5_000

/** A TLS server whose connections are judged when they come and again whenever what they are judged by changes. */
export class SecureServer {
  readonly server: TlsServer
  readonly #options: SecureServerOptions
  readonly #refusals: LimitedLog
  readonly #live = new LiveConnections()
  readonly #pending = new PendingHandshakes(limits.handshakesPerAddressMax, limits.handshakesMax)
  /** By address and port of the other side. */
  readonly #shaking = new Map<string, () => void>()
  readonly #recheck: NodeJS.Timeout

  constructor(options: SecureServerOptions) {
    this.#options = options
    this.#refusals = limitedLog(options.log, refusalsLogged, refusalIntervalMs)
    this.server = createServer({ ...this.#serverOptions(), noDelay: true })
    this.server.on('connection', (socket: Socket) => this.#accepted(socket))
    this.server.on('tlsClientError', (error, socket) => this.#failed(error, socket))
    this.server.on('secureConnection', (socket) => this.#secured(socket))
    this.#recheck = setInterval(() => this.#judgeLive(), recheckMs).unref()
    const unsubscribe = options.tls.onChange(() => {
      this.server.setSecureContext(this.#serverOptions())
      this.#judgeLive()
    })
    this.server.once('close', () => {
      clearInterval(this.#recheck)
      unsubscribe()
    })
  }

  #serverOptions() {
    return serverTlsOptions(this.#options.tls.material, this.#options.alpn, this.#options.handshakeMsMax)
  }

  #accepted(socket: Socket): void {
    const remote = remoteOf(socket)
    const done = this.#pending.add(socket)
    this.#shaking.set(remote, done)
    socket.once('close', () => this.#settled(remote, done))
  }

  #settled(remote: string, done = this.#shaking.get(remote)): void {
    done?.()
    if (this.#shaking.get(remote) === done) this.#shaking.delete(remote)
  }

  #failed(error: NodeJS.ErrnoException, socket: TLSSocket & { readonly _parent?: Socket }): void {
    // A refused socket has forgotten where it came from. Node keeps the raw connection in an undocumented field: should
    // that go away, only the address in the log is lost.
    const remote = remoteOf(socket._parent ?? socket)
    this.#refuse(socket, remote, handshakeRefusal(error, socket))
  }

  #secured(socket: TLSSocket): void {
    const remote = remoteOf(socket)
    this.#settled(remote)
    // Errors before the connection has an owner: resets by the other side are everyday.
    socket.on('error', (error) => this.#options.log.debug('connection failed', { remote, reason: error.message }))
    const presented = this.#presentedBy(socket, remote)
    if (presented === null) return
    const refusal = judge(this.#options.tls.material, presented, 'client', Date.now())
    if (refusal !== null) return this.#refuse(socket, remote, refusal)
    this.#live.add(socket, presented)
    const leaf = presented[0]
    const { admit } = this.#options
    if (admit === undefined || leaf === undefined) return this.#admitted(socket)
    const refuse = (reason: string): void => this.#refuse(socket, remote, { kind: 'wrong_name', reason })
    admit(leaf, socket.remoteAddress ?? '').then(
      (against) => {
        if (socket.destroyed) return
        if (against !== null) refuse(against)
        else this.#admitted(socket)
      },
      (error: Error) => refuse(error.message),
    )
  }

  #admitted(socket: TLSSocket): void {
    this.#options.counts.accepted++
    this.#options.onConnection(socket)
  }

  /** Null: it could not be read, and the connection is gone. */
  #presentedBy(socket: TLSSocket, remote: string): readonly Certificate[] | null {
    if (!this.#options.tls.material.verifyClients) return []
    try {
      return presentedCertificates(socket)
    } catch (error) {
      if (!(error instanceof X509Error)) throw error
      this.#refuse(socket, remote, { kind: 'malformed', reason: error.message })
      return null
    }
  }

  #judgeLive(): void {
    const { material } = this.#options.tls
    const nowMs = Date.now()
    this.#live.recheck(
      (presented) => judge(material, presented, 'client', nowMs),
      (socket, { kind, reason }) => {
        this.#options.counts.closed[kind]++
        this.#options.log.warn('closed a connection whose certificate is no longer good', {
          listener: this.#options.name,
          remote: remoteOf(socket),
          reason,
        })
      },
    )
  }

  #refuse(socket: Socket, remote: string, refusal: Refusal): void {
    const { kind, reason } = refusal
    this.#options.onRefused?.(remote, refusal)
    this.#options.counts.refused[kind]++
    this.#refusals.warn('TLS handshake refused', { listener: this.#options.name, remote, reason })
    socket.destroy()
  }
}

const remoteOf = (socket: Socket): string => `${socket.remoteAddress ?? 'unknown'}:${socket.remotePort ?? 0}`
