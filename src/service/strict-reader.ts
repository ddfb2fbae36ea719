import { BinaryReader } from '@bufbuild/protobuf/wire'

const varint = 0
const fixed64 = 1
const lengthDelimited = 2
const fixed32 = 5

/**
 * A reader under which the generated decoders refuse what they would pass over: they stop at an end-group or zero tag
 * without a word, in a message within the message too, whose rest they then take for fields of the outer one; and they
 * do not mind a field that is longer than the message it is in. Groups are refused altogether.
 *
 * The decoders read tags, lengths and short integers all with `uint32`. What is read right after a tag belongs to it;
 * everything else is a tag.
 */
export class StrictReader extends BinaryReader {
  /** Where the value of the last tag begins. */
  #valueAt = -1
  #wireType = -1
  /** Where the length-delimited fields end that have begun, outermost first. */
  readonly #ends: number[] = []

  constructor(bytes: Uint8Array) {
    super(bytes)
    const read = this.uint32
    this.uint32 = () => {
      const isValue = this.pos === this.#valueAt
      if (!isValue) this.#leave()
      const value = read.call(this)
      if (!isValue) this.#enter(value)
      else if (this.#wireType === lengthDelimited) this.#begin(value)
      return value
    }
  }

  /** Packed enums follow each other without tags. */
  override int32(): number {
    this.#wireType = varint
    this.#valueAt = this.pos
    return super.int32()
  }

  /** @throws Error if the bytes are not used up. */
  finish(): void {
    this.#leave()
    if (this.pos !== this.len) throw new Error(`${this.len - this.pos} bytes after the message`)
  }

  #enter(tag: number): void {
    this.#wireType = tag & 7
    this.#valueAt = this.pos
    const isKnown = [varint, fixed64, lengthDelimited, fixed32].includes(this.#wireType)
    if (tag < 8 || !isKnown) throw new Error(`tag ${tag}`)
  }

  #begin(length: number): void {
    this.#valueAt = -1
    const end = this.pos + length
    if (end > (this.#ends.at(-1) ?? this.len)) throw new Error('a field is longer than its message')
    this.#ends.push(end)
  }

  #leave(): void {
    for (let end = this.#ends.at(-1); end !== undefined && end <= this.pos; end = this.#ends.at(-1)) {
      if (end < this.pos) throw new Error('a field is longer than its message')
      this.#ends.pop()
    }
  }
}
