import type { Socket } from 'node:net'

/**
 * A frame is a length (u32, big-endian: the bytes after it), a type byte and a payload. Types and the order in which they
 * may come are described in DESIGN.md.
 */
export const FrameType = {
  Hello: 1,
  Message: 2,
  Call: 3,
  Answer: 4,
  Ping: 5,
  SnapshotChunk: 6,
  SnapshotEnd: 7,
  SnapshotResult: 8,
  Members: 9,
} as const
export type FrameType = (typeof FrameType)[keyof typeof FrameType]

export const frameHeaderBytes = 5

/** One whole frame, for what is written outside a FrameWriter. */
export function encodeFrame(type: FrameType, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(frameHeaderBytes + payload.length)
  frame.writeUInt32BE(payload.length + 1, 0)
  frame[4] = type
  frame.set(payload, frameHeaderBytes)
  return frame
}

/** The header of a frame whose payload is written separately. */
export function frameHeader(type: FrameType, payloadBytes: number): Buffer {
  const header = Buffer.allocUnsafe(frameHeaderBytes)
  header.writeUInt32BE(payloadBytes + 1, 0)
  header[4] = type
  return header
}

/** The other side does not keep to the peer protocol; its connection is closed. Never a bug of this member. */
export class PeerProtocolError extends Error {
  override readonly name = 'PeerProtocolError'
}

/**
 * Cuts a byte stream into frames. Payloads are views into the received chunks wherever a frame lies within one; a frame
 * that spans chunks is put together once, when it is complete, so a length alone makes nobody allocate.
 */
export class FrameReader {
  /** Largest accepted length field. Small until the hello is through. */
  frameBytesMax: number
  readonly #onFrame: (type: number, payload: Buffer) => void
  #chunks: Buffer[] = []
  #bufferedBytes = 0
  /** Bytes that must be there before it is worth looking again. */
  #neededBytes = frameHeaderBytes
  #stopped = false

  constructor(frameBytesMax: number, onFrame: (type: number, payload: Buffer) => void) {
    this.frameBytesMax = frameBytesMax
    this.#onFrame = onFrame
  }

  /**
   * Calls back once for each frame that is now complete.
   *
   * @throws PeerProtocolError on an impossible length, and whatever the callback throws.
   */
  push(chunk: Buffer): void {
    if (this.#stopped) return
    this.#bufferedBytes += chunk.length
    if (this.#bufferedBytes < this.#neededBytes) {
      this.#chunks.push(chunk)
      return
    }
    let data = chunk
    if (this.#chunks.length > 0) {
      this.#chunks.push(chunk)
      data = Buffer.concat(this.#chunks, this.#bufferedBytes)
      this.#chunks = []
    }
    let offset = 0
    this.#neededBytes = frameHeaderBytes
    while (data.length - offset >= frameHeaderBytes) {
      const length = data.readUInt32BE(offset)
      if (length < 1 || length > this.frameBytesMax) {
        throw new PeerProtocolError(`frame length ${length} is not in 1..${this.frameBytesMax}`)
      }
      const end = offset + 4 + length
      if (end > data.length) {
        this.#neededBytes = 4 + length
        break
      }
      const payload = data.subarray(offset + frameHeaderBytes, end)
      const type = data[offset + 4]!
      offset = end
      this.#onFrame(type, payload)
      if (this.#stopped) return
    }
    this.#bufferedBytes = data.length - offset
    if (this.#bufferedBytes > 0) this.#chunks.push(offset === 0 ? data : data.subarray(offset))
  }

  /** No more callbacks, also from within one. */
  stop(): void {
    this.#stopped = true
    this.#chunks = []
  }
}

/** Frames are collected here for this long at most before more memory is taken. */
const slabBytes = 64 * 1024
/** What is left of a slab below this is not worth keeping. */
const slabRestBytesMin = 1024
const noBytes = Buffer.alloc(0)

/**
 * Collects frames and hands all that were written in one turn of the event loop to the socket at once. Frames may be
 * written before there is a socket; they wait for `attach`.
 */
export class FrameWriter {
  readonly #queueBytesMax: number
  #socket: Socket | null = null
  #slab: Buffer = noBytes
  #start = 0
  #end = 0
  /** Filled regions that come before the current one. */
  #full: Buffer[] = []
  #fullBytes = 0
  #scheduled = false
  readonly #flush = (): void => this.#writeOut()

  constructor(queueBytesMax: number) {
    this.#queueBytesMax = queueBytesMax
  }

  /** Bytes that the other side's kernel has not taken yet. */
  get queuedBytes(): number {
    return this.#fullBytes + (this.#end - this.#start) + (this.#socket === null ? 0 : this.#socket.writableLength)
  }

  attach(socket: Socket): void {
    this.#socket = socket
    this.#writeOut()
  }

  /** Forgets the socket and everything that has not been handed to it. */
  detach(): void {
    this.#socket = null
    this.#slab = noBytes
    this.#start = this.#end = 0
    this.#full = []
    this.#fullBytes = 0
  }

  /** @returns false, and nothing is written, if the queue is full. */
  frame(type: FrameType, payload: Uint8Array): boolean {
    const offset = this.reserve(type, payload.length)
    if (offset < 0) return false
    this.#slab.set(payload, offset)
    return true
  }

  /**
   * Starts a frame whose payload the caller writes into `buffer` from the returned offset on, before doing anything else.
   *
   * @returns -1 if the queue is full.
   */
  reserve(type: FrameType, payloadBytes: number): number {
    const bytes = frameHeaderBytes + payloadBytes
    if (this.queuedBytes + bytes > this.#queueBytesMax) return -1
    if (this.#slab.length - this.#end < bytes) this.#renew(bytes)
    const offset = this.#end
    this.#slab.writeUInt32BE(payloadBytes + 1, offset)
    this.#slab[offset + 4] = type
    this.#end = offset + bytes
    if (!this.#scheduled && this.#socket !== null) {
      this.#scheduled = true
      queueMicrotask(this.#flush)
    }
    return offset + frameHeaderBytes
  }

  /** Where the last `reserve` made room. */
  get buffer(): Buffer {
    return this.#slab
  }

  #renew(bytes: number): void {
    if (this.#end > this.#start) {
      this.#full.push(this.#slab.subarray(this.#start, this.#end))
      this.#fullBytes += this.#end - this.#start
    }
    this.#slab = Buffer.allocUnsafeSlow(Math.max(slabBytes, bytes))
    this.#start = this.#end = 0
  }

  #writeOut(): void {
    this.#scheduled = false
    const socket = this.#socket
    if (socket === null) return
    if (this.#full.length > 0) {
      socket.cork()
      for (const region of this.#full) socket.write(region)
      this.#full = []
      this.#fullBytes = 0
      this.#writeRegion(socket)
      socket.uncork()
    } else {
      this.#writeRegion(socket)
    }
  }

  #writeRegion(socket: Socket): void {
    if (this.#end === this.#start) return
    socket.write(this.#slab.subarray(this.#start, this.#end))
    this.#start = this.#end
    if (this.#slab.length - this.#end < slabRestBytesMin) {
      this.#slab = noBytes
      this.#start = this.#end = 0
    }
  }
}
