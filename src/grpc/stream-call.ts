import type { ServerHttp2Stream } from 'node:http2'
import { Code, type EtcdError } from '../errors.ts'
import { accessOf } from '../service/access.ts'
import { refuseOnLearner } from '../service/admission.ts'
import { StatusError } from '../service/status-error.ts'
import type { MessageStream } from '../service/stream.ts'
import { admitToMethod } from './admit-to-method.ts'
import { type CallHead, firstValue } from './call-head.ts'
import type { ClientConnection } from './client-connection.ts'
import type { MethodOf } from './method.ts'
import { type CallContext, ServerCall } from './server-call.ts'
import { okStatus } from './status.ts'

type StreamMethod = MethodOf<'bidi'> | MethodOf<'serverStream'>

/**
 * Bytes handed to the transport and not yet taken by the client above which `write` asks to hold back; the second is for
 * when all calls of the connection together have too many.
 */
const unsentBytesMax = 256 * 1024
const unsentBytesMaxWhenFull = 16 * 1024

/** A call of many messages, as the services see it. */
export class StreamCall extends ServerCall implements MessageStream {
  override readonly isStream = true
  readonly #method: StreamMethod
  /** The one request of a server-streaming call. */
  #request: Uint8Array | null = null
  #onMessage: ((message: Uint8Array) => void) | null = null
  readonly #onEnd: (() => void)[] = []
  readonly #onDrain: (() => void)[] = []
  #unsentBytes = 0
  #holdsBack = false
  /** Not begun yet: nothing is read meanwhile. */
  #isWaiting = false

  constructor(
    method: StreamMethod,
    stream: ServerHttp2Stream,
    head: CallHead,
    connection: ClientConnection,
    context: CallContext,
  ) {
    super(stream, head, connection, context)
    this.#method = method
    this.guarded(() => {
      if (method.onLearner === 'refuse') refuseOnLearner(context.member)
      const waiting = accessOf(context.member).whenTokenIsKnown(this.life)
      if (waiting === null) this.#begin()
      else {
        this.#isWaiting = true
        this.pauseReading()
        waiting.then(() => {
          if (this.isOver) return
          this.#isWaiting = false
          this.resumeReading()
          this.guarded(() => this.#begin())
        })
      }
    })
  }

  #begin(): void {
    const { member } = this.context
    admitToMethod(member, this.life, this.#method.access)
    if (this.#method.kind === 'bidi') this.#method.handler(member, this, (error) => this.fail(error), this.life)
  }

  protected override received(message: Uint8Array): void {
    if (this.#method.kind === 'bidi') this.#onMessage?.(message)
    else if (this.#request === null) this.#request = message
    else throw new StatusError(Code.Unimplemented, 'a second message on a server-streaming call')
  }

  protected override halfClosed(): void {
    if (this.#method.kind === 'bidi') {
      for (const listener of this.#onEnd) listener()
      return
    }
    if (this.#request === null) throw new StatusError(Code.Unimplemented, 'no message on a server-streaming call')
    this.#method.handler(this.context.member, this.#request, this, this.life)
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    this.#onMessage = listener
  }

  onEnd(listener: () => void): void {
    this.#onEnd.push(listener)
  }

  onClose(listener: () => void): void {
    this.life.onEnd(listener)
  }

  onDrain(listener: () => void): void {
    this.#onDrain.push(listener)
  }

  pause(): void {
    this.pauseReading()
  }

  resume(): void {
    if (!this.#isWaiting) this.resumeReading()
  }

  write(message: Uint8Array): boolean {
    if (this.isOver) return true
    const size = message.length
    this.#unsentBytes += size
    this.send(message, () => this.#taken(size))
    this.#holdsBack = this.#unsentBytes >= this.#unsentBytesMax
    return !this.#holdsBack
  }

  get #unsentBytesMax(): number {
    return this.connection.isFull ? unsentBytesMaxWhenFull : unsentBytesMax
  }

  #taken(size: number): void {
    this.#unsentBytes -= size
    if (this.isOver || !this.#holdsBack || this.#unsentBytes > this.#unsentBytesMax / 2) return
    this.#holdsBack = false
    for (const listener of this.#onDrain) listener()
  }

  end(error?: EtcdError | StatusError): void {
    if (error !== undefined) this.fail(error)
    else this.finish(okStatus)
  }

  metadata(name: string): string | undefined {
    return firstValue(this.head.headers, name)
  }
}
