import { emptyBytes } from '../base/bytes.ts'
import type { Revision } from '../base/ids.ts'
import { isEmptyRange, rangeFromWire } from '../base/key-range.ts'
import { limits } from '../base/limits.ts'
import { EtcdError, etcdErrors } from '../errors.ts'
import { type WatchCreateRequest, WatchCreateRequest_FilterType, WatchRequest } from '../wire/gen/rpc.ts'
import { requireLeaderKey, requireLeaderValue } from './admission.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import { StatusError } from './status-error.ts'
import type { MessageStream } from './stream.ts'
import { refusalText, WatchAccess } from './watch-access.ts'
import {
  encodeCanceled,
  encodeCreated,
  encodeDelivery,
  encodeRefused,
  encodeRevoked,
  encodeWatchId,
  noWatchId,
} from './watch-encoding.ts'
import type { Watcher } from './watch-group.ts'
import type { WatchHub } from './watch-hub.ts'

/** Texts of the store, not of the error table: they appear as cancel reasons only. @source etcd mvcc/watcher.go */
const refusals = {
  duplicateId: 'mvcc: duplicate watch ID provided on the WatchStream',
  emptyRange: 'mvcc: watcher range is empty',
} as const

const smallestKey = Uint8Array.of(0)
const wholeStreamId = encodeWatchId(noWatchId)

/**
 * One Watch call: its watches, and the queue of responses that the transport has not taken yet. Responses leave in the
 * order in which they were sent here, so that a progress notice never overtakes events.
 */
export class WatchStream {
  readonly watchers = new Map<bigint, Watcher>()
  readonly requiresLeader: boolean
  /** Watchers that wait for the queue to empty. */
  readonly stalled = new Set<Watcher>()
  /** The client asked for progress, and has yet to be told of this revision or a later one. */
  progressWanted: Revision | null = null
  /** The same, of its newest request. */
  #progressWantedNext: Revision = 0
  /** The watch that kept the answer back when it was last tried. */
  #progressHeldBy: Watcher | null = null
  readonly #hub: WatchHub
  readonly #io: MessageStream
  readonly #access: WatchAccess
  #queue: Uint8Array[] = []
  #queueHead = 0
  #queuedBytes = 0
  /** Of answers since the queue was last empty. */
  #answersQueuedBytes = 0
  #blocked = false
  #closed = false
  /** The client's requests are held back until it has read their answers. */
  #paused = false
  /** Requests that came while this member catches up; null: it does not. */
  #later: Uint8Array[] | null = null
  #nextId = 0n
  #watchesBytes = 0
  #progressTimer: { cancel(): void } | null = null
  #expiry: { cancel(): void } | null = null

  constructor(hub: WatchHub, io: MessageStream, call: Call) {
    this.#access = new WatchAccess(call)
    this.#hub = hub
    this.#io = io
    this.requiresLeader = io.metadata(requireLeaderKey) === requireLeaderValue
    hub.addStream(this)
    io.onMessage((message) => this.#receive(message))
    // A client that only half-closes still wants its events; the call ends when it goes away.
    io.onEnd(() => {})
    io.onDrain(() => this.#drain())
    io.onClose(() => this.#close())
  }

  /** Whether a response of this size may be added to what waits. */
  hasRoom(bytes: number): boolean {
    return !this.#blocked || (this.#queuedBytes + bytes <= this.#hub.queueBytesMax && !this.#hub.isFull)
  }

  /** Whether watches that lag may send: history is on disk, so little of it need wait in memory. */
  get takesHistory(): boolean {
    return !this.#blocked || (this.#queuedBytes < this.#hub.queueBytesMax / 16 && !this.#hub.isFull)
  }

  /** Events, of which `hasRoom` was asked. */
  send(response: Uint8Array): void {
    if (this.#closed) return
    if (!this.#blocked) {
      this.#write(response)
      return
    }
    this.#queue.push(response)
    this.#addQueued(response.length + limits.watchQueuedOverheadBytes)
  }

  /** An answer to a client, which may ask for many and read none. */
  #answer(response: Uint8Array): void {
    this.send(response)
    if (!this.#blocked) return
    this.#answersQueuedBytes += response.length + limits.watchQueuedOverheadBytes
    if (this.#queuedBytes > this.#hub.queueBytesMax || this.#hub.isFull) this.#pause()
    if (this.#answersQueuedBytes > 2 * this.#hub.queueBytesMax) this.end(new EtcdError('tooManyRequests'))
  }

  end(error: EtcdError | StatusError): void {
    if (this.#closed) return
    this.#close()
    this.#io.end(error)
  }

  /**
   * Answers a progress request once every watch of the stream has been sent all it has to get up to the revision of the
   * request. The answer names the revision that all have reached: where writes never cease, some watch may always lag.
   */
  answerProgress(): void {
    const wanted = this.progressWanted
    if (wanted === null) return
    if (this.#progressHeldBy !== null && this.#keepsBack(this.#progressHeldBy, wanted)) return
    let through = this.#hub.revision
    let lowest = wanted
    for (const watcher of this.watchers.values()) {
      if (this.#keepsBack(watcher, wanted)) {
        this.#progressHeldBy = watcher
        return
      }
      through = Math.min(through, this.#hub.positionOf(watcher) ?? 0)
      lowest = Math.max(lowest, watcher.firstRevision - 1)
    }
    this.#progressHeldBy = null
    if (through < lowest) return
    this.progressWanted = this.#progressWantedNext > through ? this.#progressWantedNext : null
    this.#answer(encodeDelivery(this.#hub.headerAt(through), wholeStreamId, emptyBytes))
  }

  #keepsBack(watcher: Watcher, wanted: Revision): boolean {
    if (watcher.state === 'gone') return false
    const position = this.#hub.positionOf(watcher)
    return position === null || position < wanted
  }

  /** Ends the watches that the caller may no longer have. */
  judge(): void {
    const denied = this.#hub.judgeBy((access, view) => {
      if (this.#access.stands(access, view)) return []
      const found = [...this.watchers.values()].flatMap((watcher) => {
        const { range } = watcher.group.node
        const reason = this.#access.denial(access, view, range)
        if (reason === null) return []
        this.#access.note('revoked', watcher.id, range)
        return [{ watcher, reason }]
      })
      this.#access.settle(access, view, true)
      return found
    })
    for (const { watcher, reason } of denied) {
      if (this.#closed) return
      this.#forget(watcher)
      this.send(encodeRevoked(this.#hub.header(), watcher.idField, refusalText(reason)))
    }
    if (denied.length > 0) this.answerProgress()
  }

  cancelCompacted(watcher: Watcher, compactRevision: Revision): void {
    this.#forget(watcher)
    this.send(encodeCanceled(this.#hub.header(), watcher.idField, compactRevision))
  }

  #receive(message: Uint8Array): void {
    if (this.#closed) return
    if (this.#later !== null) {
      this.#later.push(message)
      return
    }
    let request: WatchRequest['request_union']
    try {
      request = decodeRequest(WatchRequest, message).request_union
    } catch (error) {
      if (!(error instanceof StatusError)) throw error
      this.end(error)
      return
    }
    // From here on the watchers' positions and `hub.revision` belong together.
    this.#hub.flush()
    if (this.#closed) return
    switch (request?.$case) {
      case 'create_request':
        this.#create(request.value)
        break
      case 'cancel_request':
        this.#cancel(request.value.watch_id)
        break
      case 'progress_request':
        this.#progressWantedNext = this.#hub.presentRevision()
        this.progressWanted ??= this.#progressWantedNext
        this.#hub.wantProgress(this)
        break
      case undefined:
        break
    }
  }

  /** @param isCaughtUp whoever may not is refused. */
  #create(request: WatchCreateRequest, isCaughtUp = false): void {
    const present = this.#hub.presentRevision()
    const header = this.#hub.headerAt(present)
    const range = rangeFromWire(request.key.length === 0 ? smallestKey : request.key, request.range_end)
    // The index has a single key as start, as end and as a name.
    const costBytes = limits.watchOverheadBytes + 3 * request.key.length + request.range_end.length
    const refusal = this.#hub.judgeBy((access, view) => {
      const found = this.#access.refusal(access, view, range)
      if (found === null) this.#access.settle(access, view, this.watchers.size === 0)
      return found
    })
    if (refusal !== null && !isCaughtUp) {
      this.#catchUp(request)
      return
    }
    if (refusal !== null) {
      this.#access.note('refused', request.watch_id, range)
      this.#answer(encodeRefused(header, refusalText(refusal)))
      return
    }
    const reason = isEmptyRange(range)
      ? refusals.emptyRange
      : this.watchers.has(request.watch_id) && request.watch_id !== 0n
        ? refusals.duplicateId
        : request.start_revision < 0n
          ? etcdErrors.compacted.message
          : this.#watchesBytes + costBytes > limits.watchStreamWatchesBytesMax || !this.#hub.hasRoomForWatch(costBytes)
            ? etcdErrors.tooManyRequests.message
            : null
    if (reason !== null) {
      this.#answer(encodeRefused(header, reason))
      return
    }
    const id = request.watch_id === 0n ? this.#freeId() : request.watch_id
    const idField = encodeWatchId(id)
    this.#answer(encodeCreated(header, idField))
    if (this.#closed) return
    const watcher = this.#hub.add(this, {
      id,
      idField,
      range,
      wantsPuts: !request.filters.includes(WatchCreateRequest_FilterType.NOPUT),
      wantsDeletes: !request.filters.includes(WatchCreateRequest_FilterType.NODELETE),
      wantsPrevious: request.prev_kv,
      fragment: request.fragment,
      progressNotify: request.progress_notify,
      costBytes,
      // Revisions beyond safe integers are never reached.
      firstRevision: request.start_revision === 0n ? present + 1 : Number(request.start_revision),
    })
    this.#watchesBytes += costBytes
    this.watchers.set(id, watcher)
    this.#access.note('created', id, range)
    this.#endWithToken()
    if (watcher.progressNotify) this.#progressTimer ??= this.#hub.every((): void => this.#progressTick())
  }

  #endWithToken(): void {
    const { expiresMs } = this.#access
    if (expiresMs === null || this.#expiry !== null) return
    this.#expiry = this.#hub.after(Math.max(0, expiresMs - Date.now()), () => {
      this.#expiry = null
      this.judge()
      // Timers and the wall clock do not go quite alike.
      if (this.watchers.size > 0 && !this.#closed) this.#endWithToken()
    })
  }

  /** Judges a request again when this member has caught up (`caught-up.ts`); those after it wait. */
  #catchUp(request: WatchCreateRequest): void {
    const later: Uint8Array[] = []
    this.#later = later
    this.#io.pause?.()
    const goOn = (): void => {
      this.#later = null
      if (this.#closed) return
      this.#hub.flush()
      if (this.#closed) return
      this.#create(request, true)
      for (const message of later) this.#receive(message)
      if (this.#later === null && !this.#paused) this.#io.resume?.()
    }
    // Where that cannot be, what this member knows has to do.
    this.#hub.caughtUp().then(goOn, goOn)
  }

  #freeId(): bigint {
    while (this.watchers.has(this.#nextId)) this.#nextId++
    return this.#nextId++
  }

  #cancel(id: bigint): void {
    const watcher = this.watchers.get(id)
    if (watcher === undefined) return
    this.#access.noteCanceled(id, watcher.group.node.range)
    this.#forget(watcher)
    this.#answer(encodeCanceled(this.#hub.header(), watcher.idField, 0))
    this.answerProgress()
  }

  #forget(watcher: Watcher): void {
    this.watchers.delete(watcher.id)
    this.#watchesBytes -= watcher.costBytes
    this.stalled.delete(watcher)
    this.#hub.remove(watcher)
  }

  #progressTick(): void {
    this.#hub.flush()
    const header = this.#hub.header()
    for (const watcher of this.watchers.values()) {
      if (!watcher.progressNotify) continue
      if (watcher.delivered) watcher.delivered = false
      else if (!this.#blocked && this.#hub.positionOf(watcher) === this.#hub.revision)
        this.send(encodeDelivery(header, watcher.idField, emptyBytes))
    }
  }

  #write(response: Uint8Array): void {
    if (this.#io.write(response) || this.#closed) return
    this.#blocked = true
    this.#hub.blockedStreams++
  }

  #unblock(): void {
    if (!this.#blocked) return
    this.#blocked = false
    this.#hub.blockedStreams--
  }

  #addQueued(bytes: number): void {
    this.#queuedBytes += bytes
    this.#hub.queuedBytes += bytes
  }

  #drain(): void {
    this.#unblock()
    while (!this.#blocked && this.#queueHead < this.#queue.length) {
      const response = this.#queue[this.#queueHead]!
      this.#queue[this.#queueHead++] = emptyBytes
      this.#addQueued(-response.length - limits.watchQueuedOverheadBytes)
      this.#write(response)
    }
    // The places of sent responses are given back in slices: shifting each one out would cost their number squared.
    if (this.#queueHead === this.#queue.length || this.#queueHead >= 1024) {
      this.#queue = this.#queue.slice(this.#queueHead)
      this.#queueHead = 0
    }
    if (this.#queue.length === 0) this.#answersQueuedBytes = 0
    if (!this.takesHistory || this.#closed) return
    if (this.#paused) {
      this.#paused = false
      if (this.#later === null) this.#io.resume?.()
    }
    for (const watcher of this.stalled) this.#hub.resume(watcher)
    this.stalled.clear()
  }

  #pause(): void {
    if (this.#paused) return
    this.#paused = true
    this.#io.pause?.()
  }

  #close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#queue = []
    this.#queueHead = 0
    this.#addQueued(-this.#queuedBytes)
    this.#unblock()
    this.#watchesBytes = 0
    this.#progressHeldBy = null
    this.#progressTimer?.cancel()
    this.#expiry?.cancel()
    for (const watcher of this.watchers.values()) this.#hub.remove(watcher)
    this.watchers.clear()
    this.stalled.clear()
    this.#hub.dropStream(this)
  }
}
