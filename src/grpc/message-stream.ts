import type { Metadata, ServerDuplexStream, ServerWritableStream } from '@grpc/grpc-js'
import type { EtcdError } from '../errors.ts'
import type { StatusError } from '../service/status-error.ts'
import type { MessageStream } from '../service/stream.ts'
import type { CallStatus } from './status.ts'

type Call = ServerDuplexStream<Buffer, Uint8Array> | ServerWritableStream<Buffer, Uint8Array>

export interface CallStreamOptions {
  statusOf(error: unknown): CallStatus
  /** A message went out. */
  onSent(): void
}

/** A grpc-js streaming call as the services see it. */
export class CallStream implements MessageStream {
  readonly #call: Call
  readonly #options: CallStreamOptions
  #over = false

  constructor(call: Call, options: CallStreamOptions) {
    this.#call = call
    this.#options = options
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    if (!('on' in this.#call && 'read' in this.#call)) return
    this.#call.on('data', (message: Buffer) => {
      // Messages may still be buffered when the call is over.
      if (!this.#over) listener(message)
    })
  }

  onEnd(listener: () => void): void {
    this.#call.on('end', () => {
      if (!this.#over) listener()
    })
  }

  onClose(listener: () => void): void {
    let told = false
    const tell = (): void => {
      this.#over = true
      if (told) return
      told = true
      listener()
    }
    // `cancelled` comes for every end of the HTTP/2 stream that we did not bring about, `finish` for those we did.
    this.#call.once('cancelled', tell)
    this.#call.once('finish', tell)
    this.#call.once('close', tell)
  }

  onDrain(listener: () => void): void {
    this.#call.on('drain', listener)
  }

  pause(): void {
    if ('pause' in this.#call) this.#call.pause()
  }

  resume(): void {
    if ('resume' in this.#call) this.#call.resume()
  }

  write(message: Uint8Array): boolean {
    if (this.#over || this.#call.cancelled || this.#call.destroyed) return true
    this.#options.onSent()
    return this.#call.write(message)
  }

  end(error?: EtcdError | StatusError): void {
    this.fail(error)
  }

  /** Like `end`, for any error: what is no refusal is logged and sent as internal. */
  fail(error: unknown): void {
    if (this.#over || this.#call.cancelled || this.#call.destroyed) return
    this.#over = true
    if (error === undefined) this.#call.end()
    else this.#call.emit('error', this.#options.statusOf(error))
  }

  metadata(name: string): string | undefined {
    return metadataValue(this.#call.metadata, name)
  }
}

export function metadataValue(metadata: Metadata, name: string): string | undefined {
  const value = metadata.get(name)[0]
  return value === undefined ? undefined : value.toString()
}
