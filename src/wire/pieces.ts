import { varintSize, writeVarint } from './varint.ts'

/** An encoded message in the making: pieces that are copied together once, when all are known. */
export class Pieces {
  readonly #list: Uint8Array[] = []
  #length = 0
  /** How many of the pieces, and of the bytes, have been packed. */
  #packedPieces = 0
  #packedLength = 0

  get length(): number {
    return this.#length
  }

  /** Appends bytes as they are; they must not change until `join`. */
  add(bytes: Uint8Array): void {
    this.#list.push(bytes)
    this.#length += bytes.length
  }

  /** Appends one number field; zero is left out, as proto3 wants it. */
  addNumber(tag: number, value: number): void {
    if (value === 0) return
    const bytes = Buffer.allocUnsafe(1 + varintSize(value))
    bytes[0] = tag
    writeVarint(bytes, 1, value)
    this.add(bytes)
  }

  /** Appends one length-delimited field, empty or not. */
  addBytes(tag: number, value: Uint8Array): void {
    this.add(fieldHead(tag, value.length))
    if (value.length > 0) this.add(value)
  }

  /** Appends a message field made of pieces, without copying them yet. */
  addNested(tag: number, message: Pieces): void {
    this.add(fieldHead(tag, message.#length))
    this.addAll(message)
  }

  /** Appends the fields of another message, without copying them yet. */
  addAll(other: Pieces): void {
    for (const piece of other.#list) this.#list.push(piece)
    this.#length += other.#length
    // What is long enough to be packed stays as it is.
    if (other.#packedPieces > 0) {
      this.#packedPieces = this.#list.length
      this.#packedLength = this.#length
    }
  }

  /** Puts small pieces together now and then: a million of them take many times the memory of what is in them. */
  pack(): void {
    if (this.#length - this.#packedLength < packedBytesMin) return
    const loose = this.#list.splice(this.#packedPieces)
    this.#list.push(loose.length === 1 ? loose[0]! : joined(loose, this.#length - this.#packedLength))
    this.#packedPieces = this.#list.length
    this.#packedLength = this.#length
  }

  /** The message in one piece. */
  join(): Uint8Array {
    return this.#list.length === 1 ? this.#list[0]! : joined(this.#list, this.#length)
  }

  /** The message in consecutive parts of `packedBytesMin` or more, but the last. */
  parts(): readonly Uint8Array[] {
    if (this.#packedPieces === 0) return [this.join()]
    const loose = this.#list.slice(this.#packedPieces)
    const packed = this.#list.slice(0, this.#packedPieces)
    return loose.length === 0 ? packed : [...packed, joined(loose, this.#length - this.#packedLength)]
  }
}

const packedBytesMin = 64 * 1024

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (const piece of pieces) {
    bytes.set(piece, at)
    at += piece.length
  }
  return bytes
}

function fieldHead(tag: number, length: number): Uint8Array {
  const head = Buffer.allocUnsafe(1 + varintSize(length))
  head[0] = tag
  writeVarint(head, 1, length)
  return head
}
