import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { AuthorityFilter } from './authority-filter.ts'

/**
 * A plaintext HTTP/2 connection as node:http2 is to see it. etcdctl 3.4 asks an endpoint about itself with the whole URL
 * for `:authority` (`http://host:port`), which etcd does not mind. The parser inside Node would reset the stream for the
 * slashes in it, and cannot be told not to. Over TLS the same etcdctl sends `host:port`.
 */
export class PlaintextConnection extends Duplex {
  readonly #socket: Socket
  readonly #filter = new AuthorityFilter()

  /** @param socket nothing of it has been read; from now on it belongs to this. */
  constructor(socket: Socket) {
    super()
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#received(this.#filter.push(chunk)))
    socket.once('end', () => {
      this.#received(this.#filter.end())
      this.push(null)
    })
    socket.once('error', (error) => this.destroy(error))
    socket.once('close', () => this.destroy())
    socket.pause()
  }

  #received(bytes: Buffer): void {
    if (bytes.length > 0 && !this.push(bytes)) this.#socket.pause()
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#socket.write(chunk, done)
  }

  override _writev(chunks: readonly { readonly chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.#socket.cork()
    chunks.forEach(({ chunk }, index) => {
      if (index === chunks.length - 1) this.#socket.write(chunk, done)
      else this.#socket.write(chunk)
    })
    this.#socket.uncork()
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#socket.end(done)
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#socket.destroy(error ?? undefined)
    done(error)
  }
}
