import { assert } from '../base/assert.ts'

const headBytes = 4

/**
 * Reads what a RecordWriter wrote. Both sides are this program, so anything out of bounds is a bug: every length is
 * checked all the same, because a wrong one would show one client's bytes to another.
 */
export class RecordReader {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  readonly #end: number
  #at = headBytes

  constructor(buffer: ArrayBuffer) {
    assert(buffer.byteLength >= headBytes, 'a message between threads has a head')
    this.#bytes = new Uint8Array(buffer)
    this.#view = new DataView(buffer)
    this.#end = this.#view.getUint32(0, true)
    assert(this.#end >= headBytes && this.#end <= buffer.byteLength, 'a message between threads lies in its buffer')
  }

  get more(): boolean {
    return this.#at < this.#end
  }

  uint8(): number {
    return this.#bytes[this.#take(1)]!
  }

  uint32(): number {
    return this.#view.getUint32(this.#take(4), true)
  }

  /** A safe integer, possibly negative. */
  integer(): number {
    const value = this.#view.getFloat64(this.#take(8), true)
    assert(Number.isSafeInteger(value), 'numbers between threads are safe integers')
    return value
  }

  signedId(): bigint {
    return this.#view.getBigInt64(this.#take(8), true)
  }

  unsignedId(): bigint {
    return this.#view.getBigUint64(this.#take(8), true)
  }

  /** A part of the message's own buffer, not a copy. */
  bytes(): Uint8Array {
    const length = this.uint32()
    const start = this.#take(length)
    return this.#bytes.subarray(start, start + length)
  }

  text(): string {
    return Buffer.from(this.bytes()).toString('utf8')
  }

  #take(bytes: number): number {
    const start = this.#at
    assert(bytes <= this.#end - start, 'a record between threads lies in its message')
    this.#at = start + bytes
    return start
  }
}
