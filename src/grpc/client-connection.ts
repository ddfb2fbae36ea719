import { constants, type ServerHttp2Session } from 'node:http2'
import type { Socket } from 'node:net'
import { limits } from '../base/limits.ts'
import { Code } from '../errors.ts'
import { certificateOfPeer } from '../security/client-certificate.ts'
import type { Credentials } from '../service/call.ts'
import { StatusError } from '../service/status-error.ts'
import { SessionGuard, type SessionGuardOptions } from './session-guard.ts'

/** What the calls of all connections of one thread take. */
export interface CallMemory {
  heldBytes: number
  unsentBytes: number
}

/** A call as its connection sees it. */
export interface OpenCall {
  /** Whether it has many answers, and no end of its own. */
  readonly isStream: boolean
  /** The member stops: it is answered with that. */
  stop(): void
}

/** One client connection: who is at the other end, and how much memory its calls take together. */
export class ClientConnection {
  readonly session: ServerHttp2Session
  /** TCP, or TLS with the client's certificate. */
  readonly socket: Socket
  /** Of calls that show nothing more. */
  readonly credentials: Credentials
  /** Who is at the other end, as audit records have it; empty where there are none. */
  readonly peer: string
  readonly #guard: SessionGuard
  readonly #all: CallMemory
  readonly #openCalls = new Set<OpenCall>()
  /** Memory of messages that have begun to arrive, or wait for room. */
  #heldBytes = 0
  /** Messages written and not yet taken by the client. */
  #unsentBytes = 0
  readonly #waiting = new Set<() => void>()
  /** Of the last call that is served; the client was told. */
  #lastStreamId = Number.POSITIVE_INFINITY
  /** Null: it has not been sent away. */
  #partingMs: number | null = null
  #parting: NodeJS.Timeout | undefined

  /**
   * @param all is shared with the thread's other connections.
   * @param certificateName of the client's certificate, where it names a user.
   */
  constructor(
    session: ServerHttp2Session,
    socket: Socket,
    options: SessionGuardOptions,
    all: CallMemory,
    certificateName: string | null = null,
    peer = '',
  ) {
    this.session = session
    this.socket = socket
    this.peer = peer
    const certificate = certificateOfPeer(socket)
    this.credentials = {
      token: null,
      certificateName,
      certificateSha256: certificate?.sha256 ?? null,
      certificateExpiresMs: certificate?.expiresMs ?? null,
      address: socket.remoteAddress ?? '',
    }
    this.#all = all
    this.#guard = new SessionGuard(session, socket, options)
  }

  callOpened(call: OpenCall): void {
    this.#openCalls.add(call)
    this.#guard.callsOpen(this.#openCalls.size)
    clearTimeout(this.#parting)
  }

  callClosed(call: OpenCall): void {
    this.#openCalls.delete(call)
    this.#guard.callsOpen(this.#openCalls.size)
    if (this.#partingMs !== null && this.#openCalls.size === 0) this.#part(this.#partingMs)
  }

  /** Whether the client has been told that this call will not be served, and may be made again elsewhere. */
  refuses(streamId: number): boolean {
    return streamId > this.#lastStreamId
  }

  /**
   * Tells the client to go elsewhere: unary calls that have come go on, streams end. It is the client that closes the
   * connection then: what it had sent meanwhile would have a closed socket answer with a reset, in which what it has not
   * read yet is lost, answers and this among them.
   *
   * @param partingMs for that, from the end of the last call.
   */
  goAway(partingMs: number): void {
    if (this.#partingMs !== null || this.session.destroyed) return
    this.#partingMs = partingMs
    this.#lastStreamId = this.session.state.lastProcStreamID ?? 0
    // Not with the session's close(), after which answers may be left unsent.
    this.session.goaway(constants.NGHTTP2_NO_ERROR, this.#lastStreamId)
    this.session.once('close', () => clearTimeout(this.#parting))
    for (const call of [...this.#openCalls]) if (call.isStream) call.stop()
    if (this.#openCalls.size === 0) this.#part(partingMs)
  }

  /** Ends the calls that are left. */
  stopCalls(): void {
    for (const call of [...this.#openCalls]) call.stop()
  }

  #part(ms: number): void {
    clearTimeout(this.#parting)
    if (!this.session.destroyed) this.#parting = setTimeout(() => this.session.destroy(), ms)
  }

  /** @throws StatusError if that is more than one client may have here; the memory counts as taken all the same. */
  held(change: number): void {
    this.#heldBytes += change
    this.#all.heldBytes += change
    const isCrowded = this.#all.heldBytes > limits.threadHeldBytesMax
    const bytesMax = isCrowded ? limits.connectionHeldBytesShare : limits.connectionHeldBytesMax
    if (change > 0 && this.#heldBytes > bytesMax) {
      throw new StatusError(Code.ResourceExhausted, 'too many unfinished requests on one connection')
    }
  }

  /**
   * Whether the client leaves so much unread that it should get no more for now. It is the client's own reading that ends
   * this, however little others read.
   */
  get isFull(): boolean {
    const isCrowded = this.#all.unsentBytes >= limits.threadUnsentBytesMax
    return this.#unsentBytes >= (isCrowded ? limits.connectionUnsentBytesShare : limits.connectionUnsentBytesMax)
  }

  written(bytes: number): void {
    this.#unsentBytes += bytes
    this.#all.unsentBytes += bytes
    this.#guard.messageSent()
  }

  /** What was written has been taken, or thrown away. */
  taken(bytes: number): void {
    this.#unsentBytes -= bytes
    this.#all.unsentBytes -= bytes
    for (const work of this.#waiting) {
      if (this.isFull) return
      this.#waiting.delete(work)
      work()
    }
  }

  /** Calls `work` when the client has read enough of what it was sent, one after the other. Returns how to give it up. */
  whenRoom(work: () => void): () => void {
    this.#waiting.add(work)
    return () => this.#waiting.delete(work)
  }
}
