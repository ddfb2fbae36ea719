import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { Identity } from './certificates.ts'

const prefixBytes = 5
const windowBytesMax = 16 * 1024 * 1024

/**
 * A gRPC client without anything that costs time, for benchmarks, where the server shares the machine with it, and without
 * anything that helps, for tests: streams can be left unread and reset.
 */
export class GrpcConnection implements Disposable {
  readonly #session: ClientHttp2Session

  /** @param windowBytes what the server may send ahead, on each stream and on all. */
  constructor(url: string, identity: Identity, windowBytes: number = windowBytesMax) {
    this.#session = connect(url, {
      ca: readFileSync(identity.caFile),
      cert: readFileSync(identity.certFile),
      key: readFileSync(identity.keyFile),
      settings: { initialWindowSize: windowBytes },
    })
    this.#session.once('connect', () => this.#session.setLocalWindowSize(windowBytes))
    // Streams report it too, and they have listeners.
    this.#session.on('error', () => {})
  }

  /** @param onMessage gets the bytes in place: they are the caller's only during the call. */
  open(
    path: string,
    onMessage: (message: Uint8Array) => void,
    onEnd: (problem: string | null) => void,
    metadata: Readonly<Record<string, string>> = {},
  ): Call {
    const stream = this.#session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: path,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
      ...metadata,
    })
    /** The beginning of a message, in pieces: joined once, when it is whole. */
    let pieces: Buffer[] = []
    let missing = 0
    let problem: string | null = 'the call ended without a status'
    const status = (headers: Record<string, unknown>): void => {
      const code = headers['grpc-status']
      if (code !== undefined) problem = code === '0' ? null : `status ${code}: ${headers['grpc-message']}`
    }
    stream.on('response', status)
    stream.on('trailers', status)
    stream.on('error', (error) => {
      problem = error.message
    })
    stream.on('close', () => onEnd(problem))
    stream.on('data', (chunk: Buffer) => {
      missing -= chunk.length
      if (pieces.length > 0) pieces.push(chunk)
      if (missing > 0) return
      const bytes = pieces.length > 0 ? Buffer.concat(pieces) : chunk
      let at = 0
      missing = 0
      while (at < bytes.length) {
        const head = bytes.length - at
        const size = head < prefixBytes ? prefixBytes : prefixBytes + bytes.readUInt32BE(at + 1)
        if (size > head) {
          missing = size - head
          break
        }
        onMessage(bytes.subarray(at + prefixBytes, at + size))
        at += size
      }
      pieces = at === bytes.length ? [] : [bytes.subarray(at)]
    })
    return new Call(stream)
  }

  /** One request, one answer. */
  unary(path: string, request: Uint8Array, metadata: Readonly<Record<string, string>> = {}): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      let answer: Uint8Array | null = null
      const call = this.open(
        path,
        (message) => {
          answer = Uint8Array.from(message)
        },
        (problem) => (problem === null && answer !== null ? resolve(answer) : reject(new Error(`${path}: ${problem}`))),
        metadata,
      )
      call.send(request)
      call.end()
    })
  }

  [Symbol.dispose](): void {
    this.#session.destroy()
  }
}

export class Call {
  readonly #stream: ClientHttp2Stream

  constructor(stream: ClientHttp2Stream) {
    this.#stream = stream
  }

  send(message: Uint8Array): void {
    const frame = Buffer.alloc(prefixBytes + message.length)
    frame.writeUInt32BE(message.length, 1)
    frame.set(message, prefixBytes)
    this.#stream.write(frame)
  }

  end(): void {
    this.#stream.end()
  }

  /** Takes no more from the server, until `read`. */
  stopReading(): void {
    this.#stream.pause()
  }

  read(): void {
    this.#stream.resume()
  }

  reset(): void {
    this.#stream.close(constants.NGHTTP2_CANCEL)
  }
}
