import { EtcdError, type EtcdErrorReason } from '../../src/errors.ts'
import type { StatusError } from '../../src/service/status-error.ts'
import type { MessageStream } from '../../src/service/stream.ts'

/** A stream whose client side is the test. */
export class FakeStream implements MessageStream {
  readonly written: Uint8Array[] = []
  /** How the service ended it; undefined: it has not. */
  ended: { readonly error: unknown } | undefined
  /** What `write` says. */
  writable = true
  paused = false
  readonly meta: Record<string, string>
  #onMessage: (message: Uint8Array) => void = () => {}
  readonly #onEnd: (() => void)[] = []
  readonly #onClose: (() => void)[] = []
  readonly #onDrain: (() => void)[] = []

  constructor(meta: Record<string, string> = {}) {
    this.meta = meta
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    this.#onMessage = listener
  }
  onEnd(listener: () => void): void {
    this.#onEnd.push(listener)
  }
  onClose(listener: () => void): void {
    this.#onClose.push(listener)
  }
  onDrain(listener: () => void): void {
    this.#onDrain.push(listener)
  }
  write(message: Uint8Array): boolean {
    this.written.push(message)
    return this.writable
  }
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  end(error?: EtcdError | StatusError): void {
    this.fail(error)
  }
  fail(error: unknown): void {
    this.ended ??= { error }
    this.close()
  }
  metadata(name: string): string | undefined {
    return this.meta[name]
  }

  /** Of the EtcdError that the service ended it with. */
  get reason(): EtcdErrorReason | undefined {
    const error = this.ended?.error
    return error instanceof EtcdError ? error.reason : undefined
  }

  // The client's side.
  send(message: Uint8Array): void {
    this.#onMessage(message)
  }
  halfClose(): void {
    for (const listener of this.#onEnd) listener()
  }
  drain(): void {
    this.writable = true
    for (const listener of this.#onDrain) listener()
  }
  close(): void {
    for (const listener of this.#onClose.splice(0)) listener()
  }
}
