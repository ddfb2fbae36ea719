import { assert } from '../base/assert.ts'
import { formatId, type MemberId } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import type { Message } from '../raft/types.ts'
import type { PeerCallDone, PeerMethod } from '../replica/ports.ts'
import { PeerHello_Purpose } from '../wire/gen/internal.ts'
import { WaitingCalls } from './calls.ts'
import type { PeerConnection } from './connection.ts'
import { dial } from './dial.ts'
import { FrameType, FrameWriter, PeerProtocolError } from './frame.ts'
import { decodeMemberList, type PeerMembers } from './member-list.ts'
import { encodeMessage, messageSize } from './message-codec.ts'
import type { PeerContext } from './peer-context.ts'

/**
 * - connecting: a dial is under way; messages wait for it, within the queue's bound
 * - waiting: the last dial or connection failed, the next attempt is due later; messages are dropped
 */
type State = 'stopped' | 'connecting' | 'connected' | 'waiting'

/** The way to one other member: our messages and questions to it, over a connection that we dial and dial again. */
export class PeerLink {
  readonly #context: PeerContext
  readonly #to: MemberId
  readonly #onMembers: (members: PeerMembers) => void
  #urls: readonly URL[]
  #urlIndex = 0
  #state: State = 'stopped'
  #connection: PeerConnection | null = null
  /** Dialed to take the connection's place. */
  #successor: PeerConnection | null = null
  /** A certificate was replaced while a dial was under way, which may have presented the one before. */
  #refreshDue = false
  /** Whose place was taken: what is under way on them may still end. */
  readonly #retired = new Set<PeerConnection>()
  #retry: NodeJS.Timeout | null = null
  #failures = 0
  #connectedSinceMs = 0
  #unreachableDue = false
  /** The last failure that was logged: the same one again is not news. */
  #loggedFailure = ''
  #writer = new FrameWriter(limits.peerQueueBytesMax)
  readonly #calls: WaitingCalls

  /**
   * @param urls at least one.
   * @param onMembers hears whom `to` holds to be members, when connected and whenever that changes.
   */
  constructor(context: PeerContext, to: MemberId, urls: readonly URL[], onMembers: (members: PeerMembers) => void) {
    this.#context = context
    this.#to = to
    this.#onMembers = onMembers
    this.#urls = urls
    this.#calls = new WaitingCalls(context.timeouts.callMsMax)
  }

  get urls(): readonly URL[] {
    return this.#urls
  }

  /** The address that works, or that is tried next. */
  get url(): URL {
    return this.#urls[this.#urlIndex]!
  }

  /** Milliseconds for which the connection has been up; null while it is down. */
  connectedMs(): number | null {
    return this.#state === 'connected' ? performance.now() - this.#connectedSinceMs : null
  }

  start(): void {
    if (this.#state === 'stopped') this.#dial()
  }

  /** The member moved: the next dial, which is now unless its old address still works, goes to the new one. */
  setUrls(urls: readonly URL[]): void {
    if (urls.length === this.#urls.length && urls.every((url, i) => url.href === this.#urls[i]!.href)) return
    const inUse = this.#urls[this.#urlIndex]!.href
    this.#urls = urls
    this.#urlIndex = Math.max(
      0,
      urls.findIndex((url) => url.href === inUse),
    )
    if (urls[this.#urlIndex]!.href !== inUse) this.#connection?.close('the member has a new address')
    this.wake()
  }

  /** The member is known to be up: do not wait out the pause before the next dial. */
  wake(): void {
    if (this.#state !== 'waiting') return
    if (this.#retry !== null) clearTimeout(this.#retry)
    this.#dial()
  }

  send(message: Message): void {
    if (this.#state === 'waiting' || this.#state === 'stopped') return this.#unreachable()
    const size = messageSize(message)
    assert(size < limits.peerFrameBytesMax, 'a raft message fits into a frame')
    const offset = this.#writer.reserve(FrameType.Message, size)
    if (offset < 0) return this.#unreachable()
    const end = encodeMessage(message, this.#writer.buffer, offset)
    assert(end === offset + size, 'a raft message has the size that was computed')
  }

  call(method: PeerMethod, request: Uint8Array, done: PeerCallDone): void {
    if (this.#state === 'waiting' || this.#state === 'stopped') return failLater(done, 'timeoutConnectionLost')
    const encoded = this.#calls.add(method, request, done)
    if (encoded === null) return failLater(done, 'tooManyRequests')
    // If the queue is full the call is answered by its timeout, like any other that gets lost.
    this.#writer.frame(FrameType.Call, encoded)
  }

  close(): void {
    this.#state = 'stopped'
    if (this.#retry !== null) clearTimeout(this.#retry)
    for (const each of [this.#connection, this.#successor, ...this.#retired]) each?.close('no longer needed')
    this.#connection = this.#successor = null
    this.#calls.fail()
  }

  /**
   * One side has a new certificate: goes over to a new connection before the old one's is no longer good. Nothing is lost:
   * what was sent and asked on the old one has time to be answered.
   */
  refresh(): void {
    this.#refreshDue = this.#state === 'connecting' || this.#successor !== null
    if (this.#state !== 'connected' || this.#successor !== null) return
    const writer = new FrameWriter(limits.peerQueueBytesMax)
    this.#successor = this.#open(writer, (successor) => {
      this.#successor = null
      const before = this.#connection
      if (this.#state !== 'connected' || before === null) return successor.close('no longer needed')
      this.#connection = successor
      this.#writer = writer
      this.#retired.add(before)
      setTimeout(() => before.close('replaced by a newer connection'), this.#context.timeouts.callMsMax).unref()
      this.#context.log.info('went over to a new connection to member', this.#fields())
      if (this.#refreshDue) this.refresh()
    })
  }

  #dial(): void {
    this.#state = 'connecting'
    this.#retry = null
    this.#connection = this.#open(this.#writer, () => this.#opened())
  }

  #open(writer: FrameWriter, onOpen: (connection: PeerConnection) => void): PeerConnection {
    const connection = dial(this.#context, {
      url: this.#urls[this.#urlIndex]!,
      to: this.#to,
      purpose: PeerHello_Purpose.RAFT,
      writer,
      onOpen,
      onFrame: (type, payload) => {
        if (type === FrameType.Answer) this.#calls.answered(payload)
        else if (type === FrameType.Members) this.#onMembers(decodeMemberList(payload))
        else throw new PeerProtocolError(`frame of type ${type} from the dialed side`)
      },
      onClose: (reason) => {
        if (connection === this.#connection) this.#lost(reason)
        else if (connection === this.#successor) this.#givenUp()
        else this.#retired.delete(connection)
      },
    })
    return connection
  }

  #opened(): void {
    this.#state = 'connected'
    this.#connectedSinceMs = performance.now()
    this.#failures = 0
    this.#loggedFailure = ''
    this.#context.log.info('connected to member', this.#fields())
    if (this.#refreshDue) this.refresh()
  }

  /** The connection before goes on; it is replaced as soon as that works. */
  #givenUp(): void {
    this.#successor = null
    setTimeout(() => this.refresh(), this.#context.timeouts.reconnectMsMax).unref()
  }

  #lost(reason: string): void {
    if (this.#state === 'stopped') return
    const wasConnected = this.#state === 'connected'
    if (wasConnected || reason !== this.#loggedFailure) {
      this.#loggedFailure = reason
      const what = wasConnected ? 'lost connection to member' : 'cannot connect to member'
      this.#context.log.warn(what, { ...this.#fields(), reason })
    }
    this.#state = 'waiting'
    this.#connection = null
    if (!wasConnected) this.#urlIndex = (this.#urlIndex + 1) % this.#urls.length
    this.#retry = setTimeout(() => this.#dial(), this.#pauseMs())
    this.#unreachable()
    this.#calls.fail()
  }

  /** Doubles with each failure; jittered, so that members that came back together do not keep step. */
  #pauseMs(): number {
    const { reconnectMsMin, reconnectMsMax } = this.#context.timeouts
    const full = Math.min(reconnectMsMax, reconnectMsMin * 2 ** Math.min(this.#failures, 16))
    this.#failures++
    return full * (0.5 + 0.5 * Math.random())
  }

  /** Later and once for all messages dropped in this turn: the replica is not called from within its own `send`. */
  #unreachable(): void {
    if (this.#unreachableDue) return
    this.#unreachableDue = true
    setImmediate(() => {
      this.#unreachableDue = false
      if (this.#state !== 'stopped') this.#context.events.unreachable(this.#to)
    })
  }

  #fields(): Record<string, unknown> {
    return { member: formatId(this.#to), url: this.#urls[this.#urlIndex]!.href }
  }
}

/** Fails a call without calling back from within it. */
export function failLater(done: PeerCallDone, reason: 'timeoutConnectionLost' | 'tooManyRequests' | 'stopped'): void {
  setImmediate(() => done(new EtcdError(reason), null))
}
