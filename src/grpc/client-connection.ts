import type { ServerHttp2Session } from 'node:http2'
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
  #openCalls = 0
  /** Memory of messages that have begun to arrive, or wait for room. */
  #heldBytes = 0
  /** Messages written and not yet taken by the client. */
  #unsentBytes = 0
  readonly #waiting = new Set<() => void>()

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

  callOpened(): void {
    this.#openCalls++
    this.#guard.callsOpen(this.#openCalls)
  }

  callClosed(): void {
    this.#openCalls--
    this.#guard.callsOpen(this.#openCalls)
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
