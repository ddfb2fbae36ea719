import { limits } from '../base/limits.ts'
import { repairAuthority } from './repair-authority.ts'

/** `PRI * HTTP/2.0` and what belongs to it. */
const prefaceBytes = 24
const frameHeaderBytes = 9
/** What HTTP/2 allows unless the server asks for more, which this one does not. */
const payloadBytesMax = 16_384

const headersType = 1
const continuationType = 9
const endHeadersFlag = 0x4
const paddedFlag = 0x8
const priorityFlag = 0x20
const priorityBytes = 5

const nothing = Buffer.alloc(0)

/**
 * Repairs the `:authority` headers in what one HTTP/2 client sends, which may come in pieces of any size. Bytes are held
 * back only while a header block is incomplete. What is malformed, or longer than is held, passes unchanged.
 */
export class AuthorityFilter {
  /** Bytes ahead that pass unseen: the preface, or the rest of a frame. */
  #passing = prefaceBytes
  #held: Buffer[] = []
  #heldBytes = 0
  /** There is no use in looking at what is held before there is so much of it. */
  #wantedBytes = 0

  /** @returns what may go on now; may be empty. `chunk` is changed in place, and parts of it kept. */
  push(chunk: Buffer): Buffer {
    if (this.#heldBytes === 0) return this.#filter(chunk)
    this.#held.push(chunk)
    this.#heldBytes += chunk.length
    return this.#heldBytes < this.#wantedBytes ? nothing : this.#filter(this.end())
  }

  /** @returns what is held, unchanged: nothing follows that could complete it. */
  end(): Buffer {
    const held = this.#heldBytes === 0 ? nothing : Buffer.concat(this.#held)
    this.#held = []
    this.#heldBytes = 0
    return held
  }

  #filter(bytes: Buffer): Buffer {
    let at = 0
    for (;;) {
      const passing = Math.min(this.#passing, bytes.length - at)
      at += passing
      this.#passing -= passing
      if (at === bytes.length) return bytes
      const ahead = bytes.subarray(at)
      const { bytesNeeded, fragments, length } = nextFrames(ahead)
      if (bytesNeeded > ahead.length) {
        this.#held = [ahead]
        this.#heldBytes = ahead.length
        this.#wantedBytes = bytesNeeded
        return bytes.subarray(0, at)
      }
      repairFragments(fragments)
      this.#passing = length
    }
  }
}

interface Frames {
  /** If there are fewer bytes, the rest of this is unknown. */
  readonly bytesNeeded: number
  /** The parts of a complete and well-formed header block; empty if there is none. */
  readonly fragments: readonly Buffer[]
  /** Of the frames together: one, or HEADERS with its CONTINUATIONs. */
  readonly length: number
}

const unknownYet = (bytesNeeded: number): Frames => ({ bytesNeeded, fragments: [], length: 0 })
const uninteresting = (length: number): Frames => ({ bytesNeeded: 0, fragments: [], length })

/** @param bytes begin with a frame. */
function nextFrames(bytes: Buffer): Frames {
  const fragments: Buffer[] = []
  let end = 0
  for (;;) {
    const start = end
    if (bytes.length < start + frameHeaderBytes) return unknownYet(start + frameHeaderBytes)
    const payloadBytes = bytes.readUIntBE(start, 3)
    const type = bytes[start + 3]!
    const flags = bytes[start + 4]!
    end = start + frameHeaderBytes + payloadBytes
    if (start === 0 && type !== headersType) return uninteresting(end)
    if (start > 0 && (type !== continuationType || bytes.readInt32BE(start + 5) !== bytes.readInt32BE(5)))
      return uninteresting(start)
    if (payloadBytes > payloadBytesMax || end > limits.heldHeaderBytesMax) return uninteresting(end)
    if (bytes.length < end) return unknownYet(end)
    const payload = bytes.subarray(start + frameHeaderBytes, end)
    const fragment = start === 0 ? fragmentOf(payload, flags) : payload
    if (fragment === null) return uninteresting(end)
    fragments.push(fragment)
    if ((flags & endHeadersFlag) !== 0) return { bytesNeeded: end, fragments, length: end }
  }
}

/** What of a HEADERS frame is header block, without padding and priority; null if those do not fit. */
function fragmentOf(payload: Buffer, flags: number): Buffer | null {
  const isPadded = (flags & paddedFlag) !== 0
  const start = (isPadded ? 1 : 0) + ((flags & priorityFlag) !== 0 ? priorityBytes : 0)
  const end = payload.length - (isPadded ? (payload[0] ?? 0) : 0)
  return start > end ? null : payload.subarray(start, end)
}

function repairFragments(fragments: readonly Buffer[]): void {
  if (fragments.length === 1) repairAuthority(fragments[0]!)
  if (fragments.length < 2) return
  const block = Buffer.concat(fragments)
  repairAuthority(block)
  let at = 0
  for (const fragment of fragments) {
    block.copy(fragment, 0, at, at + fragment.length)
    at += fragment.length
  }
}
