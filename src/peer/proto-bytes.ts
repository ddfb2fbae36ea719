import { assert } from '../base/assert.ts'
import { PeerProtocolError } from './frame.ts'

/** Bytes of the protobuf varint of `value`, a safe non-negative integer. */
export function varintSize(value: number): number {
  if (value < 0x80) return 1
  if (value < 0x4000) return 2
  if (value < 0x200000) return 3
  if (value < 0x10000000) return 4
  let size = 4
  for (let rest = Math.floor(value / 0x10000000); rest > 0; rest = Math.floor(rest / 0x80)) size++
  return size
}

/** @returns the offset after the varint. */
export function writeVarint(out: Buffer, offset: number, value: number): number {
  assert(Number.isSafeInteger(value) && value >= 0, 'a number on the peer wire is safe and not negative')
  let at = offset
  let rest = value
  // Bit operations work on 32 bits only; indexes beyond that are rare.
  while (rest >= 0x80000000) {
    out[at++] = (rest % 0x80) | 0x80
    rest = Math.floor(rest / 0x80)
  }
  while (rest >= 0x80) {
    out[at++] = (rest & 0x7f) | 0x80
    rest >>>= 7
  }
  out[at++] = rest
  return at
}

/** Walks over protobuf bytes without copying. Everything that does not fit is a PeerProtocolError. */
export class ProtoReader {
  readonly #bytes: Buffer
  #at = 0
  /** End of the innermost message that was entered. */
  #end: number

  constructor(bytes: Buffer) {
    this.#bytes = bytes
    this.#end = bytes.length
  }

  atEnd(): boolean {
    return this.#at >= this.#end
  }

  /** A varint of at most 2^53 - 1. */
  varint(): number {
    const bytes = this.#bytes
    let at = this.#at
    let value = 0
    let scale = 1
    for (;;) {
      if (at >= this.#end) throw new PeerProtocolError('truncated number')
      const byte = bytes[at++]!
      value += (byte & 0x7f) * scale
      if (byte < 0x80) break
      scale *= 0x80
      if (scale > 2 ** 49) throw new PeerProtocolError('number too large')
    }
    if (value > Number.MAX_SAFE_INTEGER) throw new PeerProtocolError('number too large')
    this.#at = at
    return value
  }

  fixed64(): bigint {
    if (this.#at + 8 > this.#end) throw new PeerProtocolError('truncated id')
    const value = this.#bytes.readBigUInt64LE(this.#at)
    this.#at += 8
    return value
  }

  /** A length-delimited field, as a view. */
  bytes(): Buffer {
    const length = this.#length()
    const value = this.#bytes.subarray(this.#at, this.#at + length)
    this.#at += length
    return value
  }

  /** Goes into a length-delimited message: `atEnd` now means its end. @returns what `leave` needs. */
  enter(): number {
    const outerEnd = this.#end
    const length = this.#length()
    this.#end = this.#at + length
    return outerEnd
  }

  leave(outerEnd: number): void {
    this.#end = outerEnd
  }

  /** Passes over a field of a later version. */
  skip(tag: number): void {
    const wireType = tag & 7
    if (tag < 8) throw new PeerProtocolError('field number 0')
    if (wireType === 0) this.varint()
    else if (wireType === 1) this.fixed64()
    else if (wireType === 2) this.bytes()
    else throw new PeerProtocolError(`wire type ${wireType}`)
  }

  #length(): number {
    const length = this.varint()
    if (length > this.#end - this.#at) throw new PeerProtocolError('truncated field')
    return length
  }
}
