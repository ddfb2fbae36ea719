import type { MemberId } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import type { Message } from '../raft/types.ts'
import type { Done, SnapshotSource } from '../replica/ports.ts'
import { PeerHello_Purpose } from '../wire/gen/internal.ts'
import type { PeerConnection } from './connection.ts'
import { dial } from './dial.ts'
import { encodeFrame, FrameType, FrameWriter, frameHeader, PeerProtocolError } from './frame.ts'
import { encodeMessage, messageSize } from './message-codec.ts'
import type { PeerContext } from './peer-context.ts'

/** One snapshot on its way to another member, over a connection of its own. */
export interface SnapshotSender {
  abort(reason: string): void
}

/**
 * Dials `to` and sends `message` and all of `source`, one chunk at a time: the next is read when the kernel has taken the
 * last. `done` is called once, later, when the receiver has said that it has everything, or with the reason why not.
 */
export function sendSnapshot(
  context: PeerContext,
  to: MemberId,
  url: URL,
  message: Message,
  source: SnapshotSource,
  done: Done,
): SnapshotSender {
  let finished = false
  const finish = (error?: Error): void => {
    if (finished) return
    finished = true
    clearTimeout(age)
    source.close()
    setImmediate(() => (error === undefined ? done() : done(error)))
  }

  const sendNext = (open: PeerConnection): void => {
    if (finished || open.closed) return
    let chunk: Uint8Array | null
    try {
      chunk = source.next()
    } catch (error) {
      finish(error as Error)
      return open.close('the snapshot cannot be read')
    }
    if (chunk === null) {
      open.socket.write(encodeFrame(FrameType.SnapshotEnd, new Uint8Array(0)))
      return
    }
    open.socket.cork()
    open.socket.write(frameHeader(FrameType.SnapshotChunk, chunk.length))
    open.socket.write(chunk, (error) => {
      // An error also closes the connection, which ends the transfer. Others get their turn between two chunks.
      if (error === null || error === undefined) setImmediate(sendNext, open)
    })
    open.socket.uncork()
  }

  const connection = dial(context, {
    url,
    to,
    purpose: PeerHello_Purpose.SNAPSHOT,
    writer: new FrameWriter(limits.peerQueueBytesMax),
    onOpen(open) {
      const size = messageSize(message)
      const payload = Buffer.allocUnsafe(size)
      encodeMessage(message, payload, 0)
      open.socket.write(encodeFrame(FrameType.Message, payload))
      sendNext(open)
    },
    onFrame(type, payload) {
      if (type !== FrameType.SnapshotResult) throw new PeerProtocolError(`frame of type ${type} during a snapshot`)
      finish(payload.length === 0 ? undefined : new Error(`snapshot refused: ${readReason(payload)}`))
      connection.close('snapshot sent')
    },
    onClose(reason) {
      finish(new Error(`snapshot not delivered: ${reason}`))
    },
  })
  const age = setTimeout(() => connection.close('took too long'), limits.snapshotAgeMsMax)
  return { abort: (reason) => connection.close(reason) }
}

/** Text of the other side, for our log: one line, of bounded length. */
const readReason = (payload: Buffer): string => payload.toString('latin1', 0, 200).replaceAll(/[^\x20-\x7e]/g, '?')
