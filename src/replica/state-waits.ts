import type { Index } from '../base/ids.ts'
import type { OutcomeDone } from './proposals.ts'

type Done = (error: Error | null) => void

/** Who waits until the state has come so far. */
export class StateWaits {
  #applied: { readonly index: Index; readonly done: Done }[] = []
  #compacted: Done[] = []

  /** `done` when the entry at `index` is applied, which it is not yet. */
  untilApplied(index: Index, done: Done): void {
    this.#applied.push({ index, done })
  }

  applied(index: Index): void {
    if (this.#applied.length === 0) return
    const ready = this.#applied.filter((waiter) => waiter.index <= index)
    if (ready.length === 0) return
    this.#applied = this.#applied.filter((waiter) => waiter.index > index)
    for (const waiter of ready) waiter.done(null)
  }

  /** The answer to a compaction that may begin waits until that has removed all that it removes. */
  onceCompacted(done: OutcomeDone): OutcomeDone {
    return (error, outcome) => {
      if (error || !outcome?.ok) done(error, outcome)
      else this.#compacted.push((failure) => done(failure, failure ? null : outcome))
    }
  }

  compacted(): void {
    this.#endCompacted(null)
  }

  failAll(error: Error): void {
    this.#endCompacted(error)
    const waiters = this.#applied
    this.#applied = []
    for (const waiter of waiters) waiter.done(error)
  }

  #endCompacted(error: Error | null): void {
    const waiters = this.#compacted
    this.#compacted = []
    for (const done of waiters) done(error)
  }
}
