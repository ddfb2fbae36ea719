import type { CommittedBatch } from '../apply/outcome.ts'
import type { EntryId } from '../raft/types.ts'
import type { ApplyStage } from './apply-stage.ts'
import type { PersistStage } from './persist-stage.ts'
import type { StagedState } from './ports.ts'

/** Replaces state and log by a received snapshot, while nothing is persisted or applied. */
export class SnapshotInstall {
  readonly #persist: PersistStage
  readonly #apply: ApplyStage
  readonly #failed: (error: Error) => void
  #isRunning = false
  #stopped = false

  constructor(persist: PersistStage, apply: ApplyStage, failed: (error: Error) => void) {
    this.#persist = persist
    this.#apply = apply
    this.#failed = failed
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  /**
   * State first: if the process dies between the two, the state's applied position is beyond the log's end, and the next
   * start finishes the install.
   */
  run(snapshot: EntryId, staged: StagedState, done: (replaced: CommittedBatch) => void): void {
    this.#isRunning = true
    this.#persist.suspend()
    this.#apply.pause(() => {
      staged.install((error) => {
        if (error) return this.#failed(error)
        if (this.#stopped) return
        this.#persist.reset(snapshot, () => {
          this.#isRunning = false
          done(this.#apply.resume())
        })
      })
    })
  }

  /** The process died after the state was replaced and before the log was: what the log holds is void. */
  finish(applied: EntryId, done: () => void): void {
    this.#isRunning = true
    this.#persist.suspend()
    this.#persist.reset(applied, () => {
      this.#isRunning = false
      done()
    })
  }

  stop(): void {
    this.#stopped = true
  }
}
