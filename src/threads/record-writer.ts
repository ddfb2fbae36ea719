const bufferBytesMin = 4096
const bufferBytesMax = 1024 * 1024
/** The used length stands in front. */
const headBytes = 4

/**
 * Collects records in one buffer that is handed to another thread without copying. Little-endian; numbers that may
 * exceed 32 bits are doubles, ids that may exceed 53 bits are 8 bytes.
 */
export class RecordWriter {
  #bytes: Uint8Array<ArrayBuffer>
  #view: DataView
  #at = headBytes

  constructor() {
    this.#bytes = new Uint8Array(bufferBytesMin)
    this.#view = new DataView(this.#bytes.buffer)
  }

  get isEmpty(): boolean {
    return this.#at === headBytes
  }

  uint8(value: number): this {
    this.#room(1)
    this.#bytes[this.#at++] = value
    return this
  }

  uint32(value: number): this {
    this.#room(4)
    this.#view.setUint32(this.#at, value, true)
    this.#at += 4
    return this
  }

  double(value: number): this {
    this.#room(8)
    this.#view.setFloat64(this.#at, value, true)
    this.#at += 8
    return this
  }

  /** Any 64-bit id, signed or not. */
  id(value: bigint): this {
    this.#room(8)
    this.#view.setBigInt64(this.#at, value, true)
    this.#at += 8
    return this
  }

  bytes(value: Uint8Array): this {
    this.uint32(value.length)
    return this.raw(value)
  }

  text(value: string): this {
    return this.bytes(Buffer.from(value, 'utf8'))
  }

  /** Whole records that were encoded before. */
  raw(value: Uint8Array): this {
    this.#room(value.length)
    this.#bytes.set(value, this.#at)
    this.#at += value.length
    return this
  }

  /** The records so far, without the head; valid until the next write. */
  written(): Uint8Array {
    return this.#bytes.subarray(headBytes, this.#at)
  }

  /** Hands the buffer over and starts a new one, of about the size that this one needed. */
  take(): ArrayBuffer {
    const { buffer } = this.#bytes
    const used = this.#at
    this.#view.setUint32(0, used, true)
    this.#bytes = new Uint8Array(Math.min(Math.max(used, bufferBytesMin), bufferBytesMax))
    this.#view = new DataView(this.#bytes.buffer)
    this.#at = headBytes
    return buffer
  }

  /** Forgets the records and keeps the buffer. */
  clear(): void {
    this.#at = headBytes
  }

  #room(bytes: number): void {
    if (this.#at + bytes <= this.#bytes.length) return
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#at + bytes))
    grown.set(this.#bytes.subarray(0, this.#at))
    this.#bytes = grown
    this.#view = new DataView(grown.buffer)
  }
}
