import type { Histogram } from '../base/histogram.ts'
import type { WriteView } from '../mvcc/view.ts'
import type { Done } from '../replica/ports.ts'
import { diskIsFull } from './free-space.ts'
import { LmdbCheckpoints } from './lmdb-checkpoints.ts'
import { openTables, type TablesEnv } from './lmdb-env.ts'
import { distrustPages, markBooted, recoverEnvironment } from './lmdb-recovery.ts'
import { LmdbView } from './lmdb-view.ts'
import { asError, StorageError } from './storage-error.ts'

/**
 * After a commit a checkpoint follows within this time: the pages that it sets free can be used again, and there is less
 * to flush when the log wants to let go of its oldest part.
 */
export const checkpointDelayMs = 2000

/** As much as this may be written before a checkpoint makes the pages that it replaced usable again. */
const uncheckedBytesMax = 32 * 1024 * 1024
/** And at so much the next transaction waits for the checkpoint. */
const stalledBytes = 2 * uncheckedBytesMax

/**
 * Write transactions on one environment, one at a time. A transaction is run and committed in one stretch on this thread:
 * without a flush that is 0.02 ms for one entry and 0.5 ms for 64, where lmdb's worker, which flushes each, takes 0.5 and
 * 1.5 ms and three times the processor time.
 */
export class LmdbWriter {
  readonly env: TablesEnv
  /** How long it takes to put what was committed on stable storage. Null: nobody wants to know. */
  checkpointSeconds: Histogram | null = null
  readonly #view: LmdbView
  readonly #checkpoints: LmdbCheckpoints
  readonly #checkpointDelayMs: number
  #timer: NodeJS.Timeout | null = null
  #failure: StorageError | null = null
  #working = false

  private constructor(env: TablesEnv, delayMs: number) {
    this.env = env
    this.#view = new LmdbView(env)
    this.#checkpoints = new LmdbCheckpoints(env)
    this.#checkpointDelayMs = delayMs
  }

  /**
   * Opens the environment in `path`, and makes it if it is not there.
   *
   * @throws StorageError if it is damaged or cannot be opened.
   */
  static async open(path: string, delayMs = checkpointDelayMs): Promise<LmdbWriter> {
    await recoverEnvironment(path)
    const writer = new LmdbWriter(openTables(path, 'write'), delayMs)
    try {
      // The state to go back to is held from before the first write on.
      await new Promise<void>((resolve, reject) => writer.flush((error) => (error ? reject(error) : resolve())))
      await markBooted(path)
      return writer
    } catch (error) {
      await writer.close()
      throw error
    }
  }

  /** Whether the caller is inside a transaction's work. */
  get working(): boolean {
    return this.#working
  }

  /** See `StateStore.transact`. */
  transact(work: (view: WriteView) => void, committed: Done): void {
    const run = (): void => committed(this.#failure ?? this.#commit(work))
    // Who writes faster than the disk takes it waits for the disk, or the file would grow without bound.
    if (this.#view.writtenBytes >= stalledBytes) this.flush(run)
    // A turn of the event loop for each: whoever writes for long, as compaction does, lets everything else go on.
    else setImmediate(run)
  }

  /** See `StateStore.flush`. */
  flush(done: Done): void {
    this.#view.writtenBytes = 0
    const beganMs = performance.now()
    this.#checkpoints.take((error) => {
      this.checkpointSeconds?.observe((performance.now() - beganMs) / 1000)
      if (error !== null) {
        distrustPages(this.env.path)
        this.#fail(error, 'flush')
      }
      done(this.#failure ?? undefined)
    })
  }

  /** After the last `committed`. Everything is on stable storage when it resolves, if nothing has failed. */
  async close(): Promise<void> {
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#failure === null) await new Promise<void>((resolve) => this.flush(() => resolve()))
    await this.#checkpoints.close()
    await this.env.root.close()
  }

  #commit(work: (view: WriteView) => void): Error | undefined {
    let worked = false
    try {
      this.env.root.transactionSync(() => {
        this.#working = true
        try {
          work(this.#view)
        } finally {
          this.#working = false
        }
        worked = true
      })
    } catch (error) {
      // What `work` throws takes its transaction with it; a commit that failed leaves it unknown what was written.
      return worked ? this.#fail(asError(error), 'commit') : asError(error)
    }
    this.#checkpointSoon()
    return undefined
  }

  #checkpointSoon(): void {
    const soonest = this.#view.writtenBytes >= uncheckedBytesMax && !this.#checkpoints.running
    if (this.#timer !== null && !soonest) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = setTimeout(
      () => {
        this.#timer = null
        this.flush(() => {})
      },
      soonest ? 0 : this.#checkpointDelayMs,
    ).unref()
  }

  #fail(cause: Error, what: string): StorageError {
    if (this.#failure !== null) return this.#failure
    let message = `${this.env.path}: ${what} failed: ${cause.message}`
    // LMDB calls a write that the disk took only in part an input/output error.
    if (diskIsFull(this.env.path)) message += ': no space left on the disk'
    this.#failure = new StorageError('failed', message, { cause })
    return this.#failure
  }
}
