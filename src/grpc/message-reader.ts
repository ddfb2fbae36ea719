import { Code } from '../errors.ts'
import { StatusError } from '../service/status-error.ts'
import { tooLarge } from './decompress.ts'

/** One byte of flags and the length. */
export const prefixBytes = 5
/** Room for a message grows with what has arrived of it: a length alone, which costs nothing to send, takes no more. */
const roomBytesMin = 16 * 1024

export interface MessageSink {
  /** A whole message, in memory of its own. */
  messageRead(message: Uint8Array, isCompressed: boolean): void
  /** Called with the change whenever the memory for an unfinished message grows or is given up. */
  heldBytesChanged(change: number): void
}

/**
 * Cuts what a client sends on one call into messages: each is a flag, a length and that many bytes, however they were
 * split on their way.
 *
 * @source gRPC over HTTP/2, "Length-Prefixed-Message".
 */
export class MessageReader {
  readonly #bytesMax: number
  readonly #sink: MessageSink
  readonly #prefix = new Uint8Array(prefixBytes)
  #prefixFilled = 0
  /** The message under way; null between messages. Its buffer may still be shorter than the message. */
  #message: Uint8Array | null = null
  #messageLength = 0
  #messageFilled = 0

  /** @param bytesMax of one message, compressed or not. */
  constructor(bytesMax: number, sink: MessageSink) {
    this.#bytesMax = bytesMax
    this.#sink = sink
  }

  /** Whether a message has begun and not ended. */
  get isWithinMessage(): boolean {
    return this.#prefixFilled > 0
  }

  /**
   * @param chunk is not kept.
   * @throws StatusError if a message is too long or its flag is none; nothing more may be pushed then.
   */
  push(chunk: Uint8Array): void {
    let at = 0
    while (at < chunk.length) {
      at += this.#message === null ? this.#takePrefix(chunk, at) : this.#takeMessage(chunk, at)
    }
  }

  /** Forgets what is unfinished. */
  drop(): void {
    if (this.#message !== null) this.#sink.heldBytesChanged(-this.#message.length)
    this.#message = null
    this.#prefixFilled = 0
  }

  #takePrefix(chunk: Uint8Array, start: number): number {
    const prefix = this.#prefix
    let at = start
    while (this.#prefixFilled < prefixBytes && at < chunk.length) prefix[this.#prefixFilled++] = chunk[at++]!
    if (this.#prefixFilled < prefixBytes) return at - start
    const length = ((prefix[1]! << 24) | (prefix[2]! << 16) | (prefix[3]! << 8) | prefix[4]!) >>> 0
    if (prefix[0]! > 1) {
      throw new StatusError(Code.Internal, `grpc: received unexpected payload format ${prefix[0]}`)
    }
    if (length > this.#bytesMax) throw tooLarge(length, this.#bytesMax)
    const end = at + length
    if (end <= chunk.length) {
      this.#prefixFilled = 0
      this.#sink.messageRead(copyOf(chunk, at, end), prefix[0] === 1)
      return end - start
    }
    this.#messageLength = length
    this.#messageFilled = 0
    this.#message = Buffer.allocUnsafeSlow(Math.min(length, Math.max(roomBytesMin, chunk.length - at)))
    this.#sink.heldBytesChanged(this.#message.length)
    return at - start
  }

  #takeMessage(chunk: Uint8Array, start: number): number {
    let message = this.#message!
    const end = Math.min(chunk.length, start + this.#messageLength - this.#messageFilled)
    const filled = this.#messageFilled + end - start
    if (filled > message.length) {
      const larger = Buffer.allocUnsafeSlow(Math.min(this.#messageLength, Math.max(filled, 2 * message.length)))
      larger.set(message.subarray(0, this.#messageFilled))
      this.#sink.heldBytesChanged(larger.length - message.length)
      this.#message = message = larger
    }
    message.set(chunk.subarray(start, end), this.#messageFilled)
    this.#messageFilled = filled
    if (filled === this.#messageLength) {
      this.#message = null
      this.#prefixFilled = 0
      this.#sink.heldBytesChanged(-message.length)
      this.#sink.messageRead(message, this.#prefix[0] === 1)
    }
    return end - start
  }
}

/** The chunk is a window on all that was read from the connection at once: a small message must not keep that alive. */
function copyOf(chunk: Uint8Array, start: number, end: number): Uint8Array {
  const copy = Buffer.allocUnsafe(end - start)
  copy.set(chunk.subarray(start, end))
  return copy
}
