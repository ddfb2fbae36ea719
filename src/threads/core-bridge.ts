import type { CommittedBatch } from '../apply/outcome.ts'
import { assert } from '../base/assert.ts'
import type { Index, Revision } from '../base/ids.ts'
import type { WriteKind } from '../service/member.ts'
import type { CoreHandle, ProposeDone } from './core-handle.ts'
import { encodeCommitted, writeCoreRecords } from './core-records.ts'
import { RecordWriter } from './record-writer.ts'
import { readThreadRecords, type ThreadRecords } from './thread-records.ts'

/**
 * Bytes sent and not yet taken above which a thread is told of no more commits, until it has taken some: then of the
 * newest alone, and its watchers read history.
 */
const unconsumedBytesMax = 32 * 1024 * 1024

/**
 * Writes that may be answered before their commit. Not what decides who may do what: a refusal that has been promised
 * holds on every thread.
 */
const answeredAhead: ReadonlySet<WriteKind> = new Set(['put', 'deleteRange', 'txn'])

interface Position {
  readonly index: Index
  readonly revision: Revision
}

/** Encodes each batch once for all threads that want it in the same form. */
export class CommitEncoder {
  #batch: CommittedBatch | null = null
  #full: Uint8Array | null = null
  #bare: Uint8Array | null = null

  encode(batch: CommittedBatch, withEvents: boolean): Uint8Array {
    if (batch !== this.#batch) {
      this.#batch = batch
      this.#full = null
      this.#bare = null
    }
    if (withEvents || batch.events.length === 0) {
      this.#full ??= encodeCommitted(batch, true)
      return this.#full
    }
    this.#bare ??= encodeCommitted(batch, false)
    return this.#bare
  }
}

/** The later of two batches, for both. */
function standingFor(earlier: CommittedBatch | null, batch: CommittedBatch): CommittedBatch {
  if (earlier === null) return batch
  const rulesChanged = batch.rulesChanged === true || earlier.rulesChanged === true
  return { ...batch, replaced: batch.replaced || earlier.replaced, ...(rulesChanged ? { rulesChanged } : {}) }
}

/**
 * The core's end of one serving thread: takes its questions apart and sends the answers of one turn as one message.
 * After `close` answers that are still to come go nowhere.
 */
export class CoreBridge {
  readonly #core: CoreHandle
  readonly #post: (message: ArrayBuffer) => void
  readonly #encoder: CommitEncoder
  readonly #writer = new RecordWriter()
  readonly #thread = writeCoreRecords(this.#writer)
  readonly #unsubscribe: (() => void)[]
  readonly #releases = new Map<number, () => void>()
  readonly #records: ThreadRecords
  #wantsEvents = false
  /** Writes that are still to be answered. */
  #unanswered = 0
  #unconsumedBytes = 0
  /** The newest batch that was kept back, in place of all of them. */
  #keptBack: CommittedBatch | null = null
  /** Where the newest commit stands that the thread was told of, and where it must be told of one. */
  #told: Position
  #awaited: Position
  #flushScheduled = false
  #closed = false

  readonly #soon: (callback: () => void) => void

  /**
   * @param post takes the buffer over.
   * @param soon runs its argument after the callback at hand, in which the core usually gives many answers.
   */
  constructor(
    core: CoreHandle,
    encoder: CommitEncoder,
    post: (message: ArrayBuffer) => void,
    soon: (callback: () => void) => void = queueMicrotask,
  ) {
    this.#soon = soon
    this.#core = core
    this.#encoder = encoder
    this.#post = post
    this.#told = { index: core.appliedIndex(), revision: core.revision() }
    this.#awaited = this.#told
    this.#unsubscribe = [
      core.onCommitted((batch) => this.#committed(batch)),
      core.onLeader((leader, term) => {
        this.#thread.leader(leader, term)
        this.#scheduleFlush()
      }),
    ]
    this.#records = this.#answers()
  }

  /** One message from the thread. */
  receive(message: ArrayBuffer): void {
    if (!this.#closed) readThreadRecords(message, this.#records)
  }

  /** @param release called once the thread no longer uses the states before this one, or is gone. */
  stateReplaced(generation: number, path: string, release: () => void): void {
    if (this.#closed) {
      release()
      return
    }
    this.#releases.set(generation, release)
    this.#thread.stateReplaced(generation, path)
    this.#scheduleFlush()
  }

  /** The thread is gone. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const unsubscribe of this.#unsubscribe) unsubscribe()
    for (const release of this.#releases.values()) release()
    this.#releases.clear()
  }

  #answers(): ThreadRecords {
    const core = this.#core
    const thread = this.#thread
    return {
      propose: (call, kind, request, caller) => {
        const done: ProposeDone = (error, outcome) => {
          this.#unanswered--
          if (error !== null) this.#failed(call, error)
          else {
            assert(outcome !== null, 'the core answers a proposal with an error or an outcome')
            const isAlone = this.#unanswered === 0 && this.#writer.isEmpty
            thread.outcome(call, outcome)
            if (outcome.ok) this.#await(0, outcome.revision)
            // Nothing to gather: the commit, which takes as long as the way to the client, need not be waited for.
            if (isAlone && answeredAhead.has(kind)) this.#flush()
            else this.#scheduleFlush()
          }
        }
        this.#unanswered++
        core.propose(kind, request, done, caller)
      },
      readBarrier: (call) =>
        core.readBarrier((error, index) => {
          if (error !== null) this.#failed(call, error)
          else {
            thread.barrier(call, index)
            this.#await(index, 0)
            this.#scheduleFlush()
          }
        }),
      renewLease: (call, id) =>
        core.renewLease(id, (error, ttlSeconds) => {
          if (error !== null) this.#failed(call, error)
          else {
            thread.leaseRenewed(call, ttlSeconds)
            this.#scheduleFlush()
          }
        }),
      leaseTimes: (call, id) =>
        core.leaseTimes(id, (error, times) => {
          if (error !== null) this.#failed(call, error)
          else {
            assert(times !== null, 'the core answers with an error or the times of the lease')
            thread.leaseTimes(call, times)
            this.#scheduleFlush()
          }
        }),
      leaseExpiries: (call) =>
        core.leaseExpiries((error, rows) => {
          if (error !== null) this.#failed(call, error)
          else {
            assert(rows !== null, 'the core answers with an error or the leases')
            thread.leaseExpiries(call, rows)
            this.#scheduleFlush()
          }
        }),
      status: (call) => {
        thread.status(call, core.status())
        this.#scheduleFlush()
      },
      interest: (wantsEvents) => {
        this.#wantsEvents = wantsEvents
        this.#goOn()
      },
      released: (generation) => {
        for (const [older, release] of this.#releases) {
          if (older > generation) continue
          this.#releases.delete(older)
          release()
        }
      },
      consumed: (bytes) => {
        this.#unconsumedBytes -= bytes
        assert(this.#unconsumedBytes >= 0, 'a thread takes no more than it was sent')
        this.#goOn()
      },
    }
  }

  /** The thread holds an answer that speaks of this position, and may wait until it is visible. */
  #await(index: Index, revision: Revision): void {
    this.#awaited = {
      index: Math.max(this.#awaited.index, index),
      revision: Math.max(this.#awaited.revision, revision),
    }
    this.#goOn()
  }

  get #isAwaited(): boolean {
    return this.#awaited.index > this.#told.index || this.#awaited.revision > this.#told.revision
  }

  #failed(call: number, error: Error): void {
    this.#thread.failed(call, error)
    this.#scheduleFlush()
  }

  /**
   * A thread hears of a commit if it watches events or waits to see one, and of those that change who may do what. All
   * others would only be woken for nothing: for them the newest one is kept until there is a reason.
   */
  #committed(batch: CommittedBatch): void {
    const unheard = !this.#concerns(batch)
    if (unheard || this.#keptBack !== null || this.#unconsumedBytes >= unconsumedBytesMax) {
      this.#keptBack = standingFor(this.#keptBack, batch)
      if (!unheard) this.#goOn()
      return
    }
    this.#tell(batch, this.#encoder.encode(batch, this.#wantsEvents))
  }

  #concerns({ replaced, rulesChanged = false }: CommittedBatch): boolean {
    return this.#wantsEvents || replaced || rulesChanged || this.#isAwaited
  }

  #goOn(): void {
    const batch = this.#keptBack
    if (batch === null || this.#unconsumedBytes >= unconsumedBytesMax) return
    if (!this.#concerns(batch)) return
    this.#keptBack = null
    // Without events even if it has none itself: those before it had.
    this.#tell(batch, encodeCommitted(batch, false))
  }

  #tell(batch: CommittedBatch, record: Uint8Array): void {
    this.#told = { index: batch.appliedIndex, revision: batch.revision }
    this.#writer.raw(record)
    this.#scheduleFlush()
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    this.#soon(() => {
      this.#flushScheduled = false
      this.#flush()
    })
  }

  #flush(): void {
    if (this.#closed) return this.#writer.clear()
    if (this.#writer.isEmpty) return
    const message = this.#writer.take()
    this.#unconsumedBytes += message.byteLength
    this.#post(message)
  }
}
