import { closeSync, fdatasync, openSync, readSync } from 'node:fs'
import { join } from 'node:path'
import type { Transaction } from 'lmdb'
import { assert } from '../base/assert.ts'
import { CheckpointFile } from './checkpoint-file.ts'
import type { IoDone } from './fs.ts'
import type { TablesEnv } from './lmdb-env.ts'
import { checkpointFileName, dataFileName } from './lmdb-recovery.ts'

/**
 * Makes committed states durable. LMDB writes without flushing, so the pages of a state must neither be missing on the
 * disk nor be written over while it is the one to go back to: a checkpoint holds a read transaction on its state, flushes
 * the file, then records LMDB's meta pages as they were. The hold lasts until the next checkpoint is recorded.
 */
export class LmdbCheckpoints {
  readonly #env: TablesEnv
  readonly #dataFd: number
  readonly #file: CheckpointFile
  #held: Transaction | null = null
  #running = false
  /** For the next checkpoint: the one that runs may have begun before their commits. */
  #waiting: IoDone[] = []
  #failure: Error | null = null
  #whenIdle: (() => void) | null = null

  constructor(env: TablesEnv) {
    this.#env = env
    this.#dataFd = openSync(join(env.path, dataFileName), 'r')
    this.#file = new CheckpointFile(join(env.path, checkpointFileName))
  }

  /** `done` when everything committed before this call is on stable storage. After an error none succeeds any more. */
  take(done: IoDone): void {
    this.#waiting.push(done)
    if (!this.#running) this.#run()
  }

  get running(): boolean {
    return this.#running
  }

  /** Waits for the checkpoint that runs; takes none. */
  async close(): Promise<void> {
    if (this.#running) {
      await new Promise<void>((resolve) => {
        this.#whenIdle = resolve
      })
    }
    this.#held?.done()
    this.#held = null
    this.#file.close()
    closeSync(this.#dataFd)
  }

  #run(): void {
    assert(!this.#running, 'one checkpoint at a time')
    this.#running = true
    const waiting = this.#waiting
    this.#waiting = []
    const end = (error: Error | null): void => {
      this.#running = false
      this.#failure ??= error
      for (const done of waiting) done(this.#failure)
      this.#whenIdle?.()
      if (!this.#running && this.#waiting.length > 0) this.#run()
    }
    // What the system could not write once, it may call written the next time.
    if (this.#failure !== null) return queueMicrotask(() => end(null))
    const { root } = this.#env
    root.resetReadTxn()
    const hold = root.useReadTransaction()
    const { pageSize } = root.getStats() as { pageSize: number }
    const metaPages = Buffer.alloc(2 * pageSize)
    readSync(this.#dataFd, metaPages, 0, metaPages.length, 0)
    fdatasync(this.#dataFd, (error) => {
      if (error !== null) {
        hold.done()
        return end(error)
      }
      this.#file.write(pageSize, metaPages, (failed) => {
        if (failed !== null) {
          hold.done()
          return end(failed)
        }
        this.#held?.done()
        this.#held = hold
        end(null)
      })
    })
  }
}
