import { randomInt } from 'node:crypto'
import { assert } from '../base/assert.ts'
import type { Histogram } from '../base/histogram.ts'
import type { ClusterId, Index, MemberId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { EntryId, HardState } from '../raft/types.ts'
import type { Done, LogBatch, LogStore, RecoveredLog } from '../replica/ports.ts'
import { type FileSystem, type IoDone, realFileSystem } from './fs.ts'
import { asError, StorageError } from './storage-error.ts'
import { TermRuns } from './term-runs.ts'
import { type Batch, encodeRecord, headerBytes, type SegmentKind, sizeOfRecord } from './wal-format.ts'
import { type Recovery, recoverWal } from './wal-recovery.ts'
import {
  type ActiveSegment,
  beginSegment,
  prepareSpare,
  prepareSpareAhead,
  removeSpares,
  type SealedSegment,
  type SpareSegment,
} from './wal-segment.ts'

export interface WalOptions {
  readonly dir: string
  readonly clusterId: ClusterId
  readonly memberId: MemberId
  /** Size to which segments are zero-filled ahead of use; default 64 MiB. */
  readonly segmentBytes?: number
  readonly fs?: FileSystem
  /** How long it takes to put a record on stable storage. */
  readonly syncSeconds?: Histogram
  /** Measures that; the process's own clock by default. */
  readonly nowMs?: () => number
  readonly log: Log
}

export interface Wal extends LogStore {
  /** After the last `done`. Writes a held back commit index, waits for background work. */
  close(): Promise<void>
}

const defaultSegmentBytes = 64 * 1024 * 1024
/** The first segment after a start is small, so that a start does not wait for 64 MiB of zeros. */
const firstSegmentBytesMax = 4 * 1024 * 1024

/**
 * A few entries that are all that this member was asked for, up to this size together, are written in the core's own
 * thread, as long as the disk takes no longer than this for a write: it is what a lone client waits for, and the way
 * through the thread pool wakes two threads (measured with one client, mutual TLS: 1.05 against 1.16 ms for a put; four
 * clients write a tenth more). Readers would wait with it (a tenth of writes among twelve clients: 0.99 against 0.83 ms),
 * other writers gather meanwhile, and a slow disk must not keep the core from its other work.
 */
const hereBytesMax = 16 * 1024
const hereMsMax = 1

/**
 * Opens the log in `dir`, which is made if it is not there, and begins a new segment.
 *
 * @throws StorageError `damaged` or `foreign`, naming file and offset.
 */
export async function openWal(options: WalOptions): Promise<{ log: Wal; recovered: RecoveredLog }> {
  const fs = options.fs ?? realFileSystem
  const recovery = await recoverWal({ ...options, fs })
  const wal = new SegmentedWal(options, fs, recovery)
  await wal.begin()
  return { log: wal, recovered: recovery.recovered }
}

/**
 * Gives back what the log in `dir` had set aside when its last life ended. Before the state is opened: that takes room, too,
 * and the disk may be full.
 */
export const freeSpares = (dir: string): Promise<void> => removeSpares(realFileSystem, dir)

class SegmentedWal implements Wal {
  readonly #options: WalOptions
  readonly #fs: FileSystem
  readonly #segmentBytes: number
  readonly #nowMs: () => number
  readonly #sealed: SealedSegment[]
  #active: ActiveSegment | null = null
  /** The next segment, made in the background; an Error is reported when the segment is needed. */
  #spare: Promise<SpareSegment | Error> | null = null
  #nextSequence: number
  #terms: TermRuns
  #hardState: HardState
  /** `#hardState` has a commit index that is not written yet: it goes with the next record. */
  #held = false
  #failure: StorageError | null = null
  #busy = false
  /** Reused: one append at a time. */
  #scratch: Buffer = Buffer.allocUnsafeSlow(256 * 1024)
  #removals: Promise<void> = Promise.resolve()
  #lastCrc: number
  /** How long the last write took. */
  #writeMs = Number.POSITIVE_INFINITY
  /** Of the batch at hand. */
  #isOfFew = false

  constructor(options: WalOptions, fs: FileSystem, { recovered, segments, nextSequence, crc }: Recovery) {
    this.#options = options
    this.#fs = fs
    this.#segmentBytes = options.segmentBytes ?? defaultSegmentBytes
    this.#nowMs = options.nowMs ?? (() => performance.now())
    this.#sealed = segments
    this.#nextSequence = nextSequence
    this.#hardState = recovered.hardState
    this.#terms = new TermRuns(recovered.start)
    this.#terms.replaceAfter(recovered.start.index, recovered.entries)
    this.#lastCrc = crc
  }

  async begin(): Promise<void> {
    this.#prepare(Math.min(this.#segmentBytes, firstSegmentBytesMax))
    await this.#cut('continue')
  }

  append(batch: LogBatch, done: Done): void {
    if (this.#failure !== null) return this.#refuse(done)
    assert(!this.#busy, 'log: append before the last operation was done')
    const { entries } = batch
    if (entries.length === 0 && !this.#mustPersist(batch.hardState)) {
      this.#hold(batch.hardState)
      queueMicrotask(done)
      return
    }
    const first = entries[0]
    let previous: EntryId | null = null
    if (first !== undefined) {
      const index = first.index - 1
      assert(entries.at(-1)!.index === index + entries.length, 'log: entries are not contiguous')
      previous = { term: this.#terms.termAt(index), index }
    }
    this.#busy = true
    this.#isOfFew = batch.isOfFew === true
    this.#write({ hardState: batch.hardState ?? (this.#held ? this.#hardState : null), previous, entries }, done)
  }

  reset(snapshot: EntryId, hardState: HardState, done: Done): void {
    if (this.#failure !== null) return this.#refuse(done)
    assert(!this.#busy, 'log: reset before the last operation was done')
    this.#busy = true
    this.#terms = new TermRuns(snapshot)
    this.#hardState = hardState
    this.#held = false
    this.#lastCrc = 0
    this.#cut('reset').then(
      () => {
        this.#busy = false
        this.#remove(this.#sealed.splice(0))
        done()
      },
      (error) => this.#fail(error, done),
    )
  }

  release(index: Index): void {
    const released: SealedSegment[] = []
    while (this.#sealed.length > 0) {
      const next = this.#sealed[1] ?? this.#active!
      if (next.start.index > index) break
      released.push(this.#sealed.shift()!)
    }
    // Released entries are committed: an append replaces none of them, so it never follows an entry below `index`.
    this.#terms.forgetBefore(index)
    this.#remove(released)
  }

  async close(): Promise<void> {
    assert(!this.#busy, 'log: closed before the last operation was done')
    if (this.#held && this.#failure === null) {
      this.#held = false
      const batch: Batch = { hardState: this.#hardState, previous: null, entries: [] }
      await new Promise<void>((resolve, reject) => {
        this.#busy = true
        this.#write(batch, (error) => (error === undefined ? resolve() : reject(error)))
      })
    }
    await this.#removals
    await this.#active?.file.close()
    const spare = await this.#spare
    this.#spare = null
    this.#failure ??= new StorageError('failed', `${this.#options.dir}: the log is closed`)
    if (spare === null || spare instanceof Error) return
    await spare.file.close()
    await this.#fs.remove(spare.path)
  }

  /** Term and vote must survive a crash; a commit index alone is found again by the leader, as in raft's paper. */
  #mustPersist(hardState: HardState | null): boolean {
    if (hardState === null) return false
    return hardState.term !== this.#hardState.term || hardState.vote !== this.#hardState.vote
  }

  #hold(hardState: HardState | null): void {
    if (hardState === null) return
    this.#hardState = hardState
    this.#held = true
  }

  #write(batch: Batch, done: Done): void {
    const size = sizeOfRecord(batch)
    const active = this.#active!
    // A batch larger than a whole segment gets one of its own and makes it longer.
    if (active.offset + size <= active.capacity || active.offset === headerBytes) {
      this.#writeTo(active, batch, size, done)
      return
    }
    this.#cut('continue').then(
      () => this.#writeTo(this.#active!, batch, size, done),
      (error) => this.#fail(error, done),
    )
  }

  #writeTo(active: ActiveSegment, batch: Batch, size: number, done: Done): void {
    if (this.#scratch.length < size) this.#scratch = Buffer.allocUnsafeSlow(size * 2)
    active.crc = encodeRecord(batch, size, active.header, active.crc, this.#scratch)
    this.#lastCrc = active.crc
    if (batch.previous !== null) this.#terms.replaceAfter(batch.previous.index, batch.entries)
    if (batch.hardState !== null) this.#hardState = batch.hardState
    this.#held = false
    const beganMs = this.#nowMs()
    const written = (error: Error | null): void => {
      if (error !== null) return this.#fail(error, done)
      this.#writeMs = this.#nowMs() - beganMs
      this.#options.syncSeconds?.observe(this.#writeMs / 1000)
      active.offset += size
      this.#busy = false
      done()
    }
    const isQuick = this.#isOfFew && size <= hereBytesMax && this.#writeMs <= hereMsMax
    if (isQuick) this.#writeHere(active, size, written)
    else active.file.write(this.#scratch, size, active.offset, written)
  }

  #writeHere({ file, offset }: ActiveSegment, size: number, written: IoDone): void {
    let failure: Error | null = null
    try {
      file.writeHere(this.#scratch, size, offset)
    } catch (error) {
      failure = asError(error)
    }
    queueMicrotask(() => written(failure))
  }

  /** Ends the active segment and begins the next. Everything in the old one is durable already. */
  async #cut(kind: SegmentKind): Promise<void> {
    const { dir, clusterId, memberId } = this.#options
    const prepared = await this.#spare!
    // The shortage that the background met may be over, and a small segment may fit where a large one did not.
    const capacity = Math.min(this.#segmentBytes, firstSegmentBytesMax)
    const spare = prepared instanceof Error ? await prepareSpare(this.#fs, dir, this.#nextSequence, capacity) : prepared
    const sequence = this.#nextSequence++
    const next = await beginSegment(this.#fs, dir, spare, {
      kind,
      cluster: clusterId,
      member: memberId,
      sequence,
      start: this.#terms.last,
      hardState: this.#hardState,
      previousCrc: kind === 'reset' ? 0 : this.#lastCrc,
      seed: randomInt(2 ** 32),
      tag: randomInt(2 ** 32),
    })
    const old = this.#active
    this.#active = next
    this.#held = false
    this.#lastCrc = 0
    this.#prepare(this.#segmentBytes)
    if (old === null) return
    this.#sealed.push({ path: old.path, sequence: old.sequence, start: old.start })
    await old.file.close()
  }

  #prepare(capacity: number): void {
    const spare = prepareSpareAhead(this.#fs, this.#options.dir, this.#nextSequence, capacity)
    this.#spare = spare.catch((error: Error) => error)
  }

  /** Oldest first, each removal durable before the next: a crash in between leaves no gap. */
  #remove(segments: readonly SealedSegment[]): void {
    if (segments.length === 0) return
    this.#removals = this.#removals
      .then(async () => {
        for (const { path } of segments) {
          await this.#fs.remove(path)
          await this.#fs.syncDir(this.#options.dir)
        }
      })
      .catch((error: Error) => {
        // Nothing is lost: the segments are read again, and released again, after the next start.
        this.#options.log.warn('could not remove released log segments', {
          dir: this.#options.dir,
          error: error.message,
        })
      })
  }

  /** After a failed write or sync the page cache and the disk may differ, so no later sync can be believed. */
  #fail(cause: Error, done: Done): void {
    this.#busy = false
    const where = this.#active?.path ?? this.#options.dir
    this.#failure =
      cause instanceof StorageError ? cause : new StorageError('failed', `${where}: ${cause.message}`, { cause })
    this.#options.log.error('the log cannot be written', { file: where, error: cause.message })
    done(this.#failure)
  }

  #refuse(done: Done): void {
    const failure = this.#failure!
    queueMicrotask(() => done(failure))
  }
}
