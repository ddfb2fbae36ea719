import { utf8 } from '../base/bytes.ts'
import { formatId, type MemberId } from '../base/ids.ts'
import type { Message } from '../raft/types.ts'
import { MessageKind } from '../raft/types.ts'
import type { SnapshotSink, StagedState } from '../replica/ports.ts'
import type { PeerConnection } from './connection.ts'
import { encodeFrame, FrameType, PeerProtocolError } from './frame.ts'
import { decodeMessage } from './message-codec.ts'
import type { PeerContext } from './peer-context.ts'

/**
 * The receiving end of a snapshot connection. Reading stops while the sink works, so what is in memory is bounded by one
 * socket read beyond the chunk at hand, and the sender feels a slow disk.
 */
export class SnapshotReceiver {
  readonly #context: PeerContext
  readonly #from: MemberId
  readonly #connection: PeerConnection
  #message: Message | null = null
  #sink: SnapshotSink | null = null
  /** Chunks that came in the same read as the one being written. */
  readonly #chunks: Uint8Array[] = []
  #writing = false
  #ended = false

  constructor(context: PeerContext, from: MemberId, connection: PeerConnection) {
    this.#context = context
    this.#from = from
    this.#connection = connection
  }

  /** @throws PeerProtocolError */
  onFrame(type: number, payload: Buffer): void {
    if (this.#ended) throw new PeerProtocolError('frame after the end of the snapshot')
    if (this.#message === null) return this.#begin(type, payload)
    if (type === FrameType.SnapshotChunk) this.#chunks.push(payload)
    else if (type === FrameType.SnapshotEnd) this.#ended = true
    else throw new PeerProtocolError(`frame of type ${type} during a snapshot`)
    this.#advance()
  }

  onClose(): void {
    this.#sink?.abort()
    this.#sink = null
    this.#chunks.length = 0
  }

  #begin(type: number, payload: Buffer): void {
    if (type !== FrameType.Message) throw new PeerProtocolError(`frame of type ${type} where a snapshot begins`)
    const message = decodeMessage(payload)
    const { memberId } = this.#context.self
    if (message.kind !== MessageKind.Snapshot || message.from !== this.#from || message.to !== memberId) {
      throw new PeerProtocolError('a snapshot begins with a snapshot message of the member that said hello')
    }
    this.#message = message
    this.#sink = this.#context.events.acceptSnapshot(message)
    if (this.#sink === null) this.#answer('not wanted')
  }

  #advance(): void {
    const sink = this.#sink
    if (sink === null || this.#writing) return
    const chunk = this.#chunks.shift()
    if (chunk === undefined && !this.#ended) return this.#connection.resume()
    this.#writing = true
    this.#connection.pause()
    if (chunk !== undefined) {
      sink.write(chunk, (error) => {
        this.#writing = false
        if (this.#sink === null) return
        if (error !== undefined) this.#failed(error)
        else this.#advance()
      })
      return
    }
    // From here on the copy is complete: should the connection go away now, it is still good.
    this.#sink = null
    sink.finish((error, staged) => this.#finished(error, staged))
  }

  #finished(error: Error | null, staged: StagedState | null): void {
    if (error !== null || staged === null) return this.#failed(error ?? new Error('nothing was staged'))
    this.#context.events.receiveSnapshot(this.#message!, staged)
    this.#answer('')
  }

  #failed(error: Error): void {
    this.#context.log.error('cannot take snapshot', { member: formatId(this.#from), reason: error.message })
    // The reason may name files of ours: the other side only needs to know that it failed.
    this.#answer('failed')
  }

  #answer(refused: string): void {
    const frame = encodeFrame(FrameType.SnapshotResult, utf8(refused))
    this.#connection.resume()
    this.#connection.closeAfter(frame, 'snapshot over', this.#context.timeouts.helloMsMax)
  }
}
