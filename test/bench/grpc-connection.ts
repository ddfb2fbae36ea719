import { readFileSync } from 'node:fs'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from 'node:http2'
import type { Identity } from '../support/certificates.ts'

const prefixBytes = 5
const windowBytes = 16 * 1024 * 1024

/** A gRPC client without anything that costs time: the measured server shares the machine with it. */
export class GrpcConnection implements Disposable {
  readonly #session: ClientHttp2Session

  constructor(url: string, identity: Identity) {
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
  open(path: string, onMessage: (message: Uint8Array) => void, onEnd: (problem: string | null) => void): Call {
    const stream = this.#session.request({
      [constants.HTTP2_HEADER_METHOD]: 'POST',
      [constants.HTTP2_HEADER_PATH]: path,
      [constants.HTTP2_HEADER_CONTENT_TYPE]: 'application/grpc',
      [constants.HTTP2_HEADER_TE]: 'trailers',
    })
    let rest: Buffer | null = null
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
      const bytes: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk])
      let at = 0
      while (bytes.length - at >= prefixBytes) {
        const end = at + prefixBytes + bytes.readUInt32BE(at + 1)
        if (end > bytes.length) break
        onMessage(bytes.subarray(at + prefixBytes, end))
        at = end
      }
      rest = at === bytes.length ? null : bytes.subarray(at)
    })
    return new Call(stream)
  }

  /** One request, one answer. */
  unary(path: string, request: Uint8Array): Promise<Uint8Array> {
    return new Promise((resolve, reject) => {
      let answer: Uint8Array | null = null
      const call = this.open(
        path,
        (message) => {
          answer = Uint8Array.from(message)
        },
        (problem) => (problem === null && answer !== null ? resolve(answer) : reject(new Error(`${path}: ${problem}`))),
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
}
