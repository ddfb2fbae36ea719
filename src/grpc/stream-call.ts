import { type Metadata, ServerInterceptingCall, type ServerInterceptingCallInterface } from '@grpc/grpc-js'
import type { Log } from '../base/log.ts'
import { Code, type EtcdError } from '../errors.ts'
import { refuseOnLearner } from '../service/admission.ts'
import type { Member } from '../service/member.ts'
import type { StatusError } from '../service/status-error.ts'
import type { MessageStream } from '../service/stream.ts'
import { CallLife } from './call-life.ts'
import { metadataValue } from './metadata-value.ts'
import type { MethodOf } from './method.ts'
import { statusOf } from './status.ts'

export interface StreamRoute {
  readonly path: string
  readonly method: MethodOf<'bidi'> | MethodOf<'serverStream'>
  readonly member: Member
  readonly log: Log
  /** A message went out on a stream to this peer (`address:port`). */
  onMessageSent(peer: string): void
}

/** Bytes handed to the transport and not yet taken by the client above which `write` asks to hold back. */
const unsentBytesMax = 256 * 1024

/**
 * One streaming call as the services see it, driving grpc-js's innermost call itself: messages written in one turn leave
 * in one piece, where grpc-js's own stream waits for each to be gone before the next.
 */
export class StreamCall extends ServerInterceptingCall implements MessageStream {
  readonly #call: ServerInterceptingCallInterface
  readonly #route: StreamRoute
  readonly #peer: string
  #metadata: Metadata | null = null
  /** The one request of a server-streaming call. */
  #request: Uint8Array | null = null
  #onMessage: ((message: Uint8Array) => void) | null = null
  readonly #onEnd: (() => void)[] = []
  readonly #life = new CallLife()
  readonly #onDrain: (() => void)[] = []
  #over = false
  #paused = false
  /** A read was asked for and not answered yet. */
  #reading = false
  #halfClosed = false
  #unsentBytes = 0
  #full = false

  constructor(call: ServerInterceptingCallInterface, route: StreamRoute) {
    super(call)
    this.#call = call
    this.#route = route
    this.#peer = call.getPeer()
  }

  override start(): void {
    this.#call.start({
      onReceiveMetadata: (metadata: Metadata) => {
        this.#metadata = metadata
        this.#guarded(() => this.#begin())
        this.#read()
      },
      onReceiveMessage: (message: Uint8Array) => {
        this.#reading = false
        if (this.#over) return
        this.#guarded(() => this.#received(message))
        this.#read()
      },
      onReceiveHalfClose: () => {
        this.#halfClosed = true
        if (!this.#over) this.#guarded(() => this.#ended())
      },
      onCancel: () => {
        this.#over = true
        this.#life.end()
      },
    })
  }

  #begin(): void {
    const { method, member } = this.#route
    if (method.onLearner === 'refuse') refuseOnLearner(member)
    if (method.kind === 'bidi') method.handler(member, this, (error) => this.fail(error), this.#life)
  }

  #received(message: Uint8Array): void {
    if (this.#route.method.kind === 'bidi') this.#onMessage?.(message)
    else if (this.#request === null) this.#request = message
    else this.#refuse('a second message on a server-streaming call')
  }

  #ended(): void {
    const { method, member } = this.#route
    if (method.kind === 'bidi') for (const listener of this.#onEnd) listener()
    else if (this.#request === null) this.#refuse('no message on a server-streaming call')
    else method.handler(member, this.#request, this, this.#life)
  }

  #guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.fail(error)
    }
  }

  #refuse(details: string): void {
    this.#finish(Code.Unimplemented, details)
  }

  #read(): void {
    if (this.#over || this.#paused || this.#reading || this.#halfClosed) return
    this.#reading = true
    this.#call.startRead()
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    this.#onMessage = listener
  }

  onEnd(listener: () => void): void {
    this.#onEnd.push(listener)
  }

  onClose(listener: () => void): void {
    this.#life.onEnd(listener)
  }

  onDrain(listener: () => void): void {
    this.#onDrain.push(listener)
  }

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    this.#read()
  }

  write(message: Uint8Array): boolean {
    if (this.#over) return true
    this.#route.onMessageSent(this.#peer)
    const size = message.length
    this.#unsentBytes += size
    this.#call.sendMessage(message, () => this.#sent(size))
    this.#full = this.#unsentBytes >= unsentBytesMax
    return !this.#full
  }

  #sent(size: number): void {
    this.#unsentBytes -= size
    if (this.#over || !this.#full || this.#unsentBytes > unsentBytesMax / 2) return
    this.#full = false
    for (const listener of this.#onDrain) listener()
  }

  end(error?: EtcdError | StatusError): void {
    if (error !== undefined) this.fail(error)
    else this.#finish(Code.Ok, '')
  }

  /** Ends the call with any error: what is no refusal is logged and sent as internal. */
  fail(error: unknown): void {
    if (this.#over) return
    const { code, details } = statusOf(error, this.#route.path, this.#route.log)
    this.#finish(code, details)
  }

  #finish(code: Code, details: string): void {
    if (this.#over) return
    this.#over = true
    this.#call.sendStatus({ code, details })
  }

  metadata(name: string): string | undefined {
    return metadataValue(this.#metadata, name)
  }
}
