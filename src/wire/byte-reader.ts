import { emptyBytes } from '../base/bytes.ts'
import { EtcdError } from '../errors.ts'

/**
 * Reads protobuf fields in order. For the messages of the hot path; everything else uses the generated decoders.
 * Returned bytes are views of the input. Malformed input is refused with `invalidRequest`.
 */
export class ByteReader {
  readonly #bytes: Uint8Array
  readonly #end: number
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
    this.#end = bytes.length
  }

  get done(): boolean {
    return this.#at >= this.#end
  }

  /** A tag, length or small number: up to 2^53, more is refused. */
  varint(): number {
    const bytes = this.#bytes
    let byte = this.#next()
    if (byte < 0x80) return byte
    let value = byte & 0x7f
    for (let scale = 128, i = 1; i < 8; i++, scale *= 128) {
      byte = this.#at < this.#end ? bytes[this.#at++]! : refuse()
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value <= Number.MAX_SAFE_INTEGER ? value : refuse()
    }
    return refuse()
  }

  bool(): boolean {
    return this.int64() !== 0n
  }

  /** An enum or int32: of a longer number the low half counts, as protobuf has it. */
  int32(): number {
    return Number(BigInt.asIntN(32, this.int64()))
  }

  int64(): bigint {
    let low = 0
    let middle = 0
    let high = 0
    for (let i = 0; i < 10; i++) {
      const byte = this.#next()
      const bits = byte & 0x7f
      if (i < 4) low |= bits << (7 * i)
      else if (i < 8) middle |= bits << (7 * (i - 4))
      else high |= bits << (7 * (i - 8))
      if (byte < 0x80) {
        if (i < 4) return BigInt(low)
        return BigInt.asIntN(64, (BigInt(high) << 56n) | (BigInt(middle) << 28n) | BigInt(low))
      }
    }
    return refuse()
  }

  fixed64(): bigint {
    const at = this.#skipBytes(8)
    const bytes = this.#bytes
    const low = (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
    const high = (bytes[at + 4]! | (bytes[at + 5]! << 8) | (bytes[at + 6]! << 16) | (bytes[at + 7]! << 24)) >>> 0
    return high < 0x200000 ? BigInt(high * 0x100000000 + low) : (BigInt(high) << 32n) | BigInt(low)
  }

  bytes(): Uint8Array {
    const length = this.varint()
    if (length === 0) return emptyBytes
    const at = this.#skipBytes(length)
    return this.#bytes.subarray(at, at + length)
  }

  /** Skips the value of a field that this reader does not know. Groups are refused. */
  skip(tag: number): void {
    if (tag < 8) refuse()
    switch (tag & 7) {
      case 0:
        this.int64()
        return
      case 1:
        this.#skipBytes(8)
        return
      case 2:
        this.#skipBytes(this.varint())
        return
      case 5:
        this.#skipBytes(4)
        return
      default:
        refuse()
    }
  }

  #next(): number {
    return this.#at < this.#end ? this.#bytes[this.#at++]! : refuse()
  }

  #skipBytes(length: number): number {
    const at = this.#at
    if (length > this.#end - at) refuse()
    this.#at = at + length
    return at
  }
}

function refuse(): never {
  throw new EtcdError('invalidRequest', { cause: 'malformed protobuf' })
}
