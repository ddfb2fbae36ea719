import { type Applied, applyEntries } from '../apply/apply.ts'
import type { CommittedBatch, WatchEvent } from '../apply/outcome.ts'
import { AccessRules } from '../auth/access-rules.ts'
import type { Index, MemberId, Revision } from '../base/ids.ts'
import { limits } from '../base/limits.ts'
import { compactBatch } from '../mvcc/compaction.ts'
import { getApplied, getCompactRevision, getRevision } from '../mvcc/meta.ts'
import type { Entry } from '../raft/types.ts'
import type { StateStore } from './ports.ts'

export interface ApplyStageHooks {
  /** Whether somebody here waits for the answer to this proposal. */
  wants(proposalId: bigint, proposer: MemberId): boolean
  /** Inside the write transaction: verdicts are final because their entries are committed and persisted. */
  applied(applied: readonly Applied[]): void
  /** After the transaction became visible to readers. */
  committed(batch: CommittedBatch, applied: readonly Applied[], entries: readonly Entry[]): void
  /** Superseded revisions up to the compaction revision are gone. */
  compacted(): void
  /** A timer, for the pauses of a compaction. */
  after(ms: number, callback: () => void): { cancel(): void }
  failed(error: Error): void
}

/** How fast compacted revisions are removed; of no consequence for what can be read. */
export interface CompactionPace {
  /** Changes looked at in one step, which is one transaction. */
  readonly batchLimit: number
  /** After each step, for other transactions and readers to have their turn. */
  readonly pauseMs: number
}

const usualPace: CompactionPace = { batchLimit: limits.compactionBatchRevisions, pauseMs: limits.compactionPauseMs }

/**
 * Second stage of the pipeline: all committed entries that wait while one transaction is in flight become the next
 * transaction. Between them, removal of compacted revisions proceeds in small transactions of its own, with pauses.
 */
export class ApplyStage {
  readonly #state: StateStore
  readonly #hooks: ApplyStageHooks
  readonly #pace: CompactionPace
  readonly #rules = new AccessRules()
  /** Of the rules as of the last batch; null: not known. */
  #rulesVersion: number | null = null
  #waiting: Entry[] = []
  #busy = false
  #compacting: boolean
  #pause: { cancel(): void } | null = null
  #stopped = false
  #whenIdle: (() => void) | null = null
  #appliedIndex: Index
  #revision: Revision
  #compactRevision: Revision

  constructor(state: StateStore, hooks: ApplyStageHooks, pace: CompactionPace = usualPace) {
    this.#state = state
    this.#hooks = hooks
    this.#pace = pace
    const start = this.#readMeta()
    this.#appliedIndex = start.appliedIndex
    this.#revision = start.revision
    this.#compactRevision = start.compactRevision
    // A compaction may have been cut short by a crash; finding nothing to do costs one empty transaction.
    this.#compacting = start.compactRevision > 0
  }

  /** Visible to readers. */
  get appliedIndex(): Index {
    return this.#appliedIndex
  }
  get revision(): Revision {
    return this.#revision
  }

  enqueue(entries: readonly Entry[]): void {
    for (const entry of entries) this.#waiting.push(entry)
  }

  run(): void {
    if (this.#busy || this.#stopped || this.#whenIdle) return
    if (this.#compacting && this.#pause === null) return this.#compactSome()
    if (this.#waiting.length > 0) this.#applySome()
  }

  /** Discards what waits and runs `replace` when the transaction in flight has ended; `resume` ends the pause. */
  pause(replace: () => void): void {
    this.#waiting = []
    this.#endPause()
    this.#whenIdle = replace
    if (!this.#busy) replace()
  }

  /** The state was replaced: reads its marks again and goes on. */
  resume(): CommittedBatch {
    this.#whenIdle = null
    const now = this.#readMeta()
    this.#appliedIndex = now.appliedIndex
    this.#revision = now.revision
    this.#compactRevision = now.compactRevision
    this.#compacting = now.compactRevision > 0
    return { ...now, events: [], replaced: true }
  }

  /** Begins nothing more; `idle` when the transaction in flight has ended. */
  stop(idle: () => void = () => {}): void {
    this.#stopped = true
    this.#waiting = []
    this.#endPause()
    if (this.#busy) this.#whenIdle = idle
    else idle()
  }

  #applySome(): void {
    const batch = this.#takeBatch()
    const last = batch[batch.length - 1]!
    let applied: readonly Applied[] = []
    let revision = this.#revision
    this.#busy = true
    this.#state.transact(
      (view) => {
        applied = applyEntries(view, batch, this.#hooks.wants, this.#rules)
        revision = getRevision(view)
        this.#hooks.applied(applied)
      },
      (error) => {
        this.#busy = false
        if (this.#stopped) return this.#whenIdle?.()
        if (error) return this.#hooks.failed(error)
        this.#appliedIndex = last.index
        this.#revision = revision
        const rulesChanged = this.#rules.version !== this.#rulesVersion
        this.#rulesVersion = this.#rules.version
        const events: WatchEvent[] = []
        for (const one of applied) {
          for (const event of one.events) events.push(event)
          if (one.compactTo !== null) {
            this.#compactRevision = one.compactTo
            this.#compacting = true
          }
        }
        this.#hooks.committed(
          {
            appliedIndex: last.index,
            revision,
            compactRevision: this.#compactRevision,
            events,
            replaced: false,
            ...(rulesChanged ? { rulesChanged } : {}),
          },
          applied,
          batch,
        )
        this.#next()
      },
    )
  }

  #takeBatch(): Entry[] {
    let bytes = 0
    let count = 0
    while (count < this.#waiting.length && count < limits.applyBatchEntriesMax && bytes < limits.applyBatchBytesMax) {
      bytes += this.#waiting[count]!.data.length
      count++
    }
    if (count === this.#waiting.length) {
      const all = this.#waiting
      this.#waiting = []
      return all
    }
    return this.#waiting.splice(0, count)
  }

  #compactSome(): void {
    this.#busy = true
    let more = false
    this.#state.transact(
      (view) => {
        more = compactBatch(view, this.#pace.batchLimit) === 'more'
      },
      (error) => {
        this.#busy = false
        if (this.#stopped) return this.#whenIdle?.()
        if (error) return this.#hooks.failed(error)
        this.#compacting = more
        if (more) this.#rest()
        else this.#hooks.compacted()
        this.#next()
      },
    )
  }

  #rest(): void {
    this.#pause = this.#hooks.after(this.#pace.pauseMs, () => {
      this.#pause = null
      this.run()
    })
  }

  #endPause(): void {
    this.#pause?.cancel()
    this.#pause = null
  }

  #next(): void {
    if (this.#whenIdle) this.#whenIdle()
    else this.run()
  }

  #readMeta(): { appliedIndex: Index; revision: Revision; compactRevision: Revision } {
    return this.#state.read((view) => ({
      appliedIndex: getApplied(view).index,
      revision: getRevision(view),
      compactRevision: getCompactRevision(view),
    }))
  }
}
