import { varintSize, writeVarint } from './varint.ts'

/** An encoded message in the making: pieces that are copied together once, when all are known. */
export class Pieces {
  readonly #list: Uint8Array[] = []
  #length = 0

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
  }

  join(): Uint8Array {
    if (this.#list.length === 1) return this.#list[0]!
    const joined = Buffer.allocUnsafe(this.#length)
    let at = 0
    for (const piece of this.#list) {
      joined.set(piece, at)
      at += piece.length
    }
    return joined
  }
}

function fieldHead(tag: number, length: number): Uint8Array {
  const head = Buffer.allocUnsafe(1 + varintSize(length))
  head[0] = tag
  writeVarint(head, 1, length)
  return head
}
