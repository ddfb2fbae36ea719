import { assert } from '../base/assert.ts'
import type { Index, Term } from '../base/ids.ts'
import type { Entry, EntryId } from '../raft/types.ts'

/** Which term each entry of a log has, as one row per change of term: what the log needs to know without its entries. */
export class TermRuns {
  readonly #runs: { first: Index; term: Term }[]
  #last: Index

  /** @param start the entry before the log's first. */
  constructor(start: EntryId) {
    this.#runs = [{ first: start.index, term: start.term }]
    this.#last = start.index
  }

  get last(): EntryId {
    return { term: this.#runs.at(-1)!.term, index: this.#last }
  }

  /** The lowest index whose term is known. */
  get first(): Index {
    return this.#runs[0]!.first
  }

  /** @param index from `first` up to the last. */
  termAt(index: Index): Term {
    assert(index >= this.first && index <= this.#last, `term of entry ${index} is not known`)
    let run = this.#runs.length - 1
    while (this.#runs[run]!.first > index) run--
    return this.#runs[run]!.term
  }

  /** Puts `entries` behind `previous`, in place of whatever was there. */
  replaceAfter(previous: Index, entries: readonly Entry[]): void {
    while (this.#runs.length > 1 && this.#runs.at(-1)!.first > previous) this.#runs.pop()
    let term = this.#runs.at(-1)!.term
    for (const entry of entries) {
      if (entry.term === term) continue
      term = entry.term
      this.#runs.push({ first: entry.index, term })
    }
    this.#last = previous + entries.length
  }

  /** Forgets the terms below `index`. */
  forgetBefore(index: Index): void {
    while (this.#runs.length > 1 && this.#runs[1]!.first <= index) this.#runs.shift()
    const run = this.#runs[0]!
    run.first = Math.max(run.first, Math.min(index, this.#last))
  }
}
