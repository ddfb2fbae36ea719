import type { WriteView } from '../mvcc/view.ts'
import type { Done } from '../replica/ports.ts'
import { diskIsFull } from './free-space.ts'
import type { TablesEnv } from './lmdb-env.ts'
import { LmdbView } from './lmdb-view.ts'
import { asError, StorageError } from './storage-error.ts'

/** What lmdb's write worker reports while it runs: 2 asks for the callbacks, 1 says that the commit is visible. */
type WorkerReport = (status: number) => unknown
interface NativeEnv {
  startWriting(address: number, report: WorkerReport): unknown
}
const visibleStatus = 1

/**
 * Write transactions on one environment, one at a time. lmdb's promise for a transaction resolves when it is flushed;
 * its worker reports about half a millisecond earlier that every new reader sees it. The report may be missing
 * (lmdb drops it when the flush is faster), and then the promise does.
 */
export class LmdbWriter {
  readonly env: TablesEnv
  readonly #view: LmdbView
  readonly #flushing = new Set<Done>()
  #visible: (() => void) | null = null
  #failure: StorageError | null = null
  #working = false

  constructor(env: TablesEnv) {
    this.env = env
    this.#view = new LmdbView(env)
    const native = (env.root as unknown as { env: NativeEnv }).env
    const startWriting = native.startWriting
    const reportingVisible = (address: number, report: WorkerReport): unknown => {
      const visible = this.#visible
      return startWriting.call(native, address, (status) => {
        const result = report(status)
        if (status === visibleStatus) visible?.()
        return result
      })
    }
    Object.defineProperty(native, 'startWriting', { value: reportingVisible })
  }

  /** Whether the caller is inside a transaction's work. */
  get working(): boolean {
    return this.#working
  }

  /** See `StateStore.transact`. */
  transact(work: (view: WriteView) => void, committed: Done): void {
    if (this.#failure !== null) return this.#refuse(committed)
    let thrown: { error: unknown } | null = null
    let finished = false
    const finish = (error?: Error): void => {
      if (finished) return
      finished = true
      this.#visible = null
      this.env.root.resetReadTxn()
      // Out of lmdb's own stack: `committed` may well begin the next transaction.
      queueMicrotask(() => committed(error))
    }
    // What `work` did is kept unless it is thrown in a child transaction: lmdb commits the outer one all the same.
    this.#visible = () => {
      if (thrown === null) finish()
    }
    const committing = this.env.root.childTransaction(() => {
      this.#working = true
      try {
        work(this.#view)
      } catch (error) {
        thrown = { error }
        throw error
      } finally {
        this.#working = false
      }
    })
    committing.then(
      () => finish(),
      (error: Error) => {
        if (thrown !== null) return finish(asError(thrown.error))
        this.#fail(error).then(finish)
      },
    )
  }

  /** See `StateStore.flush`. */
  flush(done: Done): void {
    if (this.#failure !== null) return this.#refuse(done)
    this.#flushing.add(done)
    this.env.root.flushed.then(
      () => {
        if (this.#flushing.delete(done)) done()
      },
      (error: Error) => this.#fail(error),
    )
  }

  /** After the last `committed`. Waits for flushes; after a failure there is nothing to wait for, and lmdb would for ever. */
  async close(): Promise<void> {
    if (this.#failure === null) await this.env.root.close()
  }

  /** A commit or flush that failed leaves it unknown what is on disk: nothing more is written. */
  async #fail(error: Error & { commitError?: Promise<unknown> }): Promise<StorageError> {
    if (this.#failure !== null) return this.#failure
    const failure = new StorageError('failed', `${this.env.path}: commit failed`, { cause: error })
    this.#failure = failure
    // lmdb reports the system's error through a promise of its own, which is rejected with it.
    await error.commitError?.catch((cause: unknown) => {
      failure.message = `${this.env.path}: commit failed: ${asError(cause).message}`
    })
    // LMDB calls a write that the disk took only in part an input/output error.
    if (diskIsFull(this.env.path)) failure.message += ': no space left on the disk'
    for (const done of this.#flushing) done(failure)
    this.#flushing.clear()
    return failure
  }

  #refuse(done: Done): void {
    const failure = this.#failure!
    queueMicrotask(() => done(failure))
  }
}
