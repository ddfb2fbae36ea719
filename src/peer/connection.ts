import type { Socket } from 'node:net'
import { FrameReader, FrameType, type FrameWriter, PeerProtocolError } from './frame.ts'

/** What a connection tells its owner. */
export interface ConnectionEvents {
  /** Any frame; pings only before `establish`. May throw PeerProtocolError: the connection is closed. */
  onFrame(type: number, payload: Buffer): void
  /** Once, when the connection is gone for whatever reason. */
  onClose(reason: string): void
}

/** One connection between two members, dialed or accepted: frames in both directions, and a reason for its end. */
export class PeerConnection {
  readonly socket: Socket
  readonly writer: FrameWriter
  /** When bytes came in last, on the monotonic clock. */
  lastReceivedMs: number
  readonly #reader: FrameReader
  readonly #events: ConnectionEvents
  #established = false
  #paused = false
  #closed = false

  /** @param frameBytesMax bound for frames before `establish`. */
  constructor(socket: Socket, frameBytesMax: number, writer: FrameWriter, events: ConnectionEvents) {
    this.socket = socket
    this.writer = writer
    this.lastReceivedMs = performance.now()
    this.#events = events
    this.#reader = new FrameReader(frameBytesMax, (type, payload) => this.#frame(type, payload))
    socket.on('data', (chunk: Buffer) => this.#data(chunk))
    socket.on('end', () => this.close('closed by the other side'))
    socket.on('error', (error: NodeJS.ErrnoException) => this.close(error.code ?? error.message))
    socket.on('close', () => this.close('closed'))
  }

  get closed(): boolean {
    return this.#closed
  }

  /** While paused, the other side's silence says nothing: we do not listen. */
  get paused(): boolean {
    return this.#paused
  }

  /** The hello is through: larger frames are welcome, and what waits in the writer goes out. */
  establish(frameBytesMax: number): void {
    this.#established = true
    this.#reader.frameBytesMax = frameBytesMax
    this.writer.attach(this.socket)
  }

  ping(): void {
    this.writer.frame(FrameType.Ping, noPayload)
  }

  pause(): void {
    this.#paused = true
    this.socket.pause()
  }

  resume(): void {
    if (this.#closed || !this.#paused) return
    this.#paused = false
    this.lastReceivedMs = performance.now()
    this.socket.resume()
  }

  /** Ends at once. Nothing is called back after `onClose`. */
  close(reason: string): void {
    if (this.#closed) return
    this.#closed = true
    this.#reader.stop()
    this.writer.detach()
    this.socket.destroy()
    this.#events.onClose(reason)
  }

  /** Sends a last frame and ends when the other side has taken it, or after `waitMsMax`. What comes in meanwhile is ignored. */
  closeAfter(lastFrame: Uint8Array, reason: string, waitMsMax: number): void {
    if (this.#closed) return
    this.#reader.stop()
    const timer = setTimeout(() => this.close(reason), waitMsMax)
    this.socket.once('close', () => clearTimeout(timer))
    this.socket.end(lastFrame, () => this.close(reason))
  }

  #data(chunk: Buffer): void {
    this.lastReceivedMs = performance.now()
    try {
      this.#reader.push(chunk)
    } catch (error) {
      if (!(error instanceof PeerProtocolError)) throw error
      this.close(error.message)
    }
  }

  #frame(type: number, payload: Buffer): void {
    if (type === FrameType.Ping && this.#established) return
    this.#events.onFrame(type, payload)
  }
}

const noPayload = new Uint8Array(0)
