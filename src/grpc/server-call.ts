import {
  constants,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
  type ServerStreamResponseOptions,
} from 'node:http2'
import type { Auditor } from '../audit/auditor.ts'
import type { AuditedMethod } from '../audit/call-audit.ts'
import type { Log } from '../base/log.ts'
import { Code, EtcdError } from '../errors.ts'
import { type Answer, LongAnswer } from '../service/answer.ts'
import type { Member } from '../service/member.ts'
import { StatusError } from '../service/status-error.ts'
import type { CallCounts } from './call-counts.ts'
import type { CallHead } from './call-head.ts'
import { CallLife } from './call-life.ts'
import type { ClientConnection, OpenCall } from './client-connection.ts'
import { credentialsOf } from './credentials.ts'
import { acceptedEncodings, decompress } from './decompress.ts'
import { MessageReader, type MessageSink, prefixBytes } from './message-reader.ts'
import { type CallStatus, statusOf, trailersOf } from './status.ts'

export interface CallContext {
  readonly path: string
  readonly counts: CallCounts
  /** In the counts. */
  readonly number: number
  readonly member: Member
  readonly log: Log
  /** Of one request message, compressed or not. */
  readonly messageBytesMax: number
  /** Null: nothing is audited. */
  readonly audit: { readonly auditor: Auditor; readonly method: AuditedMethod } | null
}

export const responseHeaders: OutgoingHttpHeaders = {
  ':status': 200,
  'content-type': 'application/grpc',
  'grpc-accept-encoding': acceptedEncodings,
}
/** `sendDate` is missing from the types of node:http2: no gRPC client looks at the date. */
type ResponseOptions = ServerStreamResponseOptions & { readonly sendDate: boolean }
const withTrailers: ResponseOptions = { waitForTrailers: true, sendDate: false }
export const withoutBody: ResponseOptions = { endStream: true, sendDate: false }

/** The client gave the call up, or went. */
const canceled: CallStatus = { code: Code.Canceled, details: '' }

/** What a waiting message is counted with, beside its bytes: it may be empty. */
const packedOverheadBytes = 128

/** Up to here a message and its prefix are copied into one piece, which costs less than two writes. */
const joinedBytesMax = 64 * 1024

/** Parts of a long answer that are written in one turn: a quarter of a megabyte, unless values are large. */
const partsAtOnce = 4

/**
 * One call on its HTTP/2 stream: messages in and out, one status at the end, whatever way it ends. What kind of call it
 * is, is the business of who extends this.
 */
export abstract class ServerCall implements MessageSink, OpenCall {
  abstract readonly isStream: boolean
  protected readonly life: CallLife
  protected readonly head: CallHead
  readonly #stream: ServerHttp2Stream
  readonly #connection: ClientConnection
  readonly #context: CallContext
  readonly #reader: MessageReader
  /** On the clock of the counts. */
  readonly #beganMs: number
  #deadline: NodeJS.Timeout | undefined
  /** Null until the status is decided: nothing else is sent after that. */
  #status: CallStatus | null = null
  #heldBytes = 0
  #unsentBytes = 0
  /** Messages that wait to be unpacked, or for the handler, in order, and whether the client's end came after them. */
  #packed: { readonly message: Uint8Array; readonly isCompressed: boolean }[] = []
  #packedBytes = 0
  #isUnpacking = false
  #isPaused = false
  #isHandingOn = false
  #hasEnded = false
  #isHalfClosed = false
  #isClosed = false

  /** @param stream has a listener for errors. */
  constructor(stream: ServerHttp2Stream, head: CallHead, connection: ClientConnection, context: CallContext) {
    const { audit } = context
    this.life = new CallLife(
      credentialsOf(head.headers, connection),
      audit === null ? null : audit.auditor.begin(audit.method, connection.peer),
    )
    this.#stream = stream
    this.head = head
    this.#connection = connection
    this.#context = context
    this.#reader = new MessageReader(context.messageBytesMax, this)
    connection.callOpened(this)
    this.#beganMs = context.counts.began(context.number)
    stream.on('close', () => this.#closed())
    stream.on('wantTrailers', () => this.#sendTrailers())
    stream.on('data', (chunk: Buffer) => this.#arrived(chunk))
    stream.on('end', () => this.#ended())
    if (head.timeoutMs !== null) this.#deadline = setTimeout(() => this.#expired(), head.timeoutMs)
  }

  /** A whole message of the client's. What this throws ends the call. */
  protected abstract received(message: Uint8Array): void
  /** The client sends no more messages. What this throws ends the call. */
  protected abstract halfClosed(): void

  /** Whether nothing can be sent any more. A stream is destroyed, and gives its 'end', a moment before it is closed. */
  protected get isOver(): boolean {
    return this.#status !== null || this.#stream.closed || this.#stream.destroyed || this.life.ended
  }

  protected get connection(): ClientConnection {
    return this.#connection
  }

  protected get context(): CallContext {
    return this.#context
  }

  /** Runs `work` and ends the call with what it throws. */
  protected guarded(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.fail(error)
    }
  }

  /** Ends the call with any error: what is no refusal is logged and sent as internal. */
  fail(error: unknown): void {
    const status = statusOf(error, this.#context.path, this.#context.log)
    if (error instanceof EtcdError) this.life.audit?.failed(error.reason)
    this.finish(status)
  }

  stop(): void {
    this.fail(new EtcdError('stopped'))
  }

  /** Sends a status, after everything that was written. The first one counts. */
  protected finish(status: CallStatus): void {
    if (this.isOver) return
    this.#decided(status)
    const stream = this.#stream
    if (stream.headersSent) {
      stream.end()
    } else {
      stream.respond({ ...responseHeaders, ...trailersOf(status) }, withoutBody)
      this.#refuseRest()
    }
    this.#over(status)
  }

  /** Sends the one message of a call that went well, and its status. */
  protected answer(message: Answer, status: CallStatus): void {
    if (message instanceof LongAnswer) {
      // Closed already, if the client went before its answer was there.
      if (this.#isClosed) message.release()
      else this.#stream.once('close', () => message.release())
    }
    if (this.isOver) return
    this.#decided(status)
    const stream = this.#stream
    stream.respond(responseHeaders, withTrailers)
    this.#count(message.length)
    if (message instanceof LongAnswer) {
      stream.write(prefixOf(message))
      this.#sendParts(message.parts, 0)
    } else if (message.length > joinedBytesMax) {
      stream.write(prefixOf(message))
      stream.end(message)
    } else {
      stream.end(framed(message))
    }
    this.#over(status)
  }

  /** Some at a time: whatever HTTP/2 has been given is encrypted in one stretch, as far as the client's window goes. */
  #sendParts(parts: readonly Uint8Array[], from: number): void {
    const stream = this.#stream
    if (stream.closed || stream.destroyed) return
    if (from >= parts.length) {
      stream.end()
      return
    }
    const to = from + partsAtOnce
    const goOn = (): void => void setImmediate(() => this.#sendParts(parts, to))
    stream.cork()
    for (const part of parts.slice(from, Math.min(to, parts.length) - 1)) stream.write(part)
    stream.write(parts[Math.min(to, parts.length) - 1]!, goOn)
    stream.uncork()
  }

  /** Sends one of many messages. `taken` is called when it is on its way to the client. */
  protected send(message: Uint8Array, taken: () => void): void {
    const stream = this.#stream
    if (!stream.headersSent) stream.respond(responseHeaders, withTrailers)
    const bytes = this.#count(message.length)
    const done = (): void => {
      // What a closed call had not sent is counted already.
      if (this.#isClosed) return
      this.#unsentBytes -= bytes
      this.#connection.taken(bytes)
      taken()
    }
    if (message.length > joinedBytesMax) {
      stream.cork()
      stream.write(prefixOf(message))
      stream.write(message, done)
      stream.uncork()
    } else {
      stream.write(framed(message), done)
    }
  }

  /** Nothing more is handed on until `resumeReading`, not even what came in one piece with the last message. */
  protected pauseReading(): void {
    this.#isPaused = true
    this.#stream.pause()
  }

  protected resumeReading(): void {
    this.#isPaused = false
    if (this.#packed.length > 0 && !this.#isHandingOn) this.guarded(() => this.#unpack())
    this.#readOn()
  }

  #readOn(): void {
    if (!this.#isUnpacking && !this.#isPaused) this.#stream.resume()
  }

  /** @returns the bytes that the message takes on the connection. */
  #count(length: number): number {
    const bytes = prefixBytes + length
    this.#unsentBytes += bytes
    this.#connection.written(bytes)
    this.#context.counts.messageSent(this.#context.number, length)
    this.life.audit?.sent(length)
    return bytes
  }

  #decided(status: CallStatus): void {
    this.#status = status
    clearTimeout(this.#deadline)
    this.#context.counts.ended(this.#context.number, status.code, this.#beganMs)
  }

  /** All that is sent of it has been handed over. */
  #over({ code }: CallStatus): void {
    this.life.audit?.ended(code)
    this.life.end()
  }

  #deliver(message: Uint8Array): void {
    this.#context.counts.messageReceived(this.#context.number, message.length)
    this.life.audit?.received(message.length)
    this.received(message)
  }

  messageRead(message: Uint8Array, isCompressed: boolean): void {
    if (isCompressed && this.head.encoding === null) {
      throw new StatusError(Code.Internal, 'grpc: compressed flag set with identity or empty encoding')
    }
    const mustWait = this.#isUnpacking || this.#isPaused || this.#packed.length > 0
    if (!isCompressed && !mustWait) this.#deliver(message)
    else {
      this.#packed.push({ message, isCompressed })
      this.#packedBytes += message.length + packedOverheadBytes
      this.heldBytesChanged(message.length + packedOverheadBytes)
      if (!this.#isHandingOn) this.#unpack()
    }
  }

  heldBytesChanged(change: number): void {
    this.#heldBytes += change
    this.#connection.held(change)
  }

  /** Unpacks one message after the other and hands it on; the client is not read meanwhile. */
  #unpack(): void {
    this.#isHandingOn = true
    try {
      this.#handOn()
    } finally {
      this.#isHandingOn = false
    }
  }

  #handOn(): void {
    const { encoding } = this.head
    while (!this.#isUnpacking && !this.isOver) {
      // The end is told even to who is paused: nothing comes after it.
      if (this.#packed.length === 0 && this.#hasEnded) this.#halfClose()
      if (this.#isPaused) return
      const next = this.#packed.shift()
      if (next === undefined) return
      this.#packedBytes -= next.message.length + packedOverheadBytes
      this.heldBytesChanged(-next.message.length - packedOverheadBytes)
      if (!next.isCompressed || encoding === null) {
        this.#deliver(next.message)
        continue
      }
      this.#isUnpacking = true
      this.#stream.pause()
      decompress(encoding, next.message, this.#context.messageBytesMax, (result) => {
        this.#isUnpacking = false
        if (this.isOver) return
        this.#readOn()
        this.guarded(() => {
          if (result instanceof StatusError) throw result
          this.#deliver(result)
          this.#unpack()
        })
      })
    }
  }

  #arrived(chunk: Buffer): void {
    // A call that is over is read to its end, so that the connection's window opens again.
    if (!this.isOver) this.guarded(() => this.#reader.push(chunk))
  }

  #ended(): void {
    this.#hasEnded = true
    if (this.isOver) return
    this.guarded(() => {
      if (this.#reader.isWithinMessage) throw new StatusError(Code.Internal, 'unexpected EOF')
      if (!this.#isUnpacking && this.#packed.length === 0) this.#halfClose()
    })
  }

  #expired(): void {
    this.finish({ code: Code.DeadlineExceeded, details: 'context deadline exceeded' })
  }

  #sendTrailers(): void {
    if (this.#status === null) return
    this.#stream.sendTrailers(trailersOf(this.#status))
    this.#refuseRest()
  }

  /** Tells a client that is not done with its request that nobody listens any more. */
  #refuseRest(): void {
    if (this.#hasEnded) return
    this.#dropPacked()
    this.#reader.drop()
    // The answer leaves in this turn of the event loop, the trailers are handed over at its end: this comes after both.
    setImmediate(() => {
      if (!this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_NO_ERROR)
    })
  }

  /** Whoever hands on the last message comes by here, from within another one's turn too. */
  #halfClose(): void {
    if (this.#isHalfClosed) return
    this.#isHalfClosed = true
    this.halfClosed()
  }

  #dropPacked(): void {
    this.heldBytesChanged(-this.#packedBytes)
    this.#packed = []
    this.#packedBytes = 0
  }

  #closed(): void {
    this.#isClosed = true
    if (this.#status === null) {
      this.#decided(canceled)
      this.life.audit?.ended(canceled.code)
    }
    if (this.#heldBytes > 0) this.#reader.drop()
    this.#dropPacked()
    const unsent = this.#unsentBytes
    this.#unsentBytes = 0
    this.#connection.callClosed(this)
    this.life.end()
    this.#connection.taken(unsent)
  }
}

function prefixOf(message: { readonly length: number }): Buffer {
  const prefix = Buffer.allocUnsafe(prefixBytes)
  prefix[0] = 0
  prefix.writeUInt32BE(message.length, 1)
  return prefix
}

function framed(message: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(prefixBytes + message.length)
  frame[0] = 0
  frame.writeUInt32BE(message.length, 1)
  frame.set(message, prefixBytes)
  return frame
}
