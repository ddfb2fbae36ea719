import type { Outcome } from '../../../src/apply/outcome.ts'
import { equalBytes } from '../../../src/base/bytes.ts'
import type { Revision } from '../../../src/base/ids.ts'
import { checkLinearizable } from '../linearizability.ts'
import { type RegisterInput, type RegisterOperation, type RegisterOutput, registerModel } from '../register-model.ts'
import { requireProperty } from '../violation.ts'
import type { ReferenceState } from './reference-state.ts'

interface Written {
  readonly what: string
  readonly request: Uint8Array
  readonly outcome: Outcome
  /** Highest revision that any finished call had seen when this one began. */
  readonly floor: Revision
}

/** An operation whose answer may still come. */
export interface OpenOperation extends RegisterOperation {
  output: RegisterOutput | undefined
  returnedAt: number
}

const searchStepsMax = 200_000

/**
 * What clients were told, against the committed log: a write has the verdict and the revision that the log gives it, a
 * read shows the state of its revision, and no call goes back behind what was finished before it began. Together that
 * is strict serializability; the histories of single keys are also searched without knowledge of revisions.
 */
export class Answers {
  readonly #reference: ReferenceState
  readonly #histories = new Map<string, RegisterOperation[]>()
  #seen: Revision = 1
  #unchecked: Written[] = []
  /** Writes that were confirmed. */
  writes = 0
  reads = 0
  refusals = 0
  searchesGivenUp = 0

  constructor(reference: ReferenceState) {
    this.#reference = reference
  }

  /** To be asked when a call begins. */
  floor(): Revision {
    return this.#seen
  }

  written(what: string, request: Uint8Array, outcome: Outcome, floor: Revision): void {
    this.#unchecked.push({ what, request, outcome, floor })
    this.#seen = Math.max(this.#seen, outcome.revision)
    if (outcome.ok) this.writes++
    else this.refusals++
  }

  /** @param floor null for a serializable read: it may be old, but never wrong. */
  read(what: string, key: string, value: string | null, revision: Revision, floor: Revision | null): void {
    this.reads++
    requireProperty(floor === null || revision >= floor, 'linearizability', () => {
      return `${what} answered revision ${revision} although ${floor} had been seen before`
    })
    if (floor !== null) this.#seen = Math.max(this.#seen, revision)
    requireProperty(revision <= this.#reference.revision, 'acknowledged writes', () => {
      return `${what} shows revision ${revision}; committed is ${this.#reference.revision}`
    })
    const expected = this.#reference.valueAt(key, revision)
    requireProperty(
      value === expected,
      'linearizability',
      () => `${what} shows ${value} at ${revision}, not ${expected}`,
    )
  }

  /** A call on `key` begins. It may take effect from now on, and for ever unless it is `finished`. */
  began(key: string, input: RegisterInput, calledAt: number): OpenOperation {
    const operation: OpenOperation = { input, output: undefined, calledAt, returnedAt: Number.POSITIVE_INFINITY }
    const history = this.#histories.get(key) ?? []
    this.#histories.set(key, history)
    history.push(operation)
    return operation
  }

  /** After every event: the log is known by now up to what was answered within it. */
  check(): void {
    if (this.#unchecked.length === 0) return
    const written = this.#unchecked
    this.#unchecked = []
    for (const { what, request, outcome, floor } of written) {
      const expected = this.#reference.outcomeOf(request)
      requireProperty(expected !== undefined, 'acknowledged writes', () => `${what} was answered but is not committed`)
      requireProperty(sameOutcome(outcome, expected!), 'acknowledged writes', () => {
        return `${what} was answered ${show(outcome)}; the log gives ${show(expected!)}`
      })
      requireProperty(outcome.revision >= floor, 'linearizability', () => {
        return `${what} got revision ${outcome.revision} although ${floor} had been seen before it began`
      })
    }
  }

  /** At the end of a run. */
  checkHistories(): void {
    for (const [key, history] of this.#histories) {
      const verdict = checkLinearizable(registerModel, history, searchStepsMax)
      if (verdict === 'unknown') this.searchesGivenUp++
      requireProperty(verdict !== 'notLinearizable', 'linearizability', () => `no order explains the answers on ${key}`)
    }
  }
}

function sameOutcome(a: Outcome, b: Outcome): boolean {
  if (a.revision !== b.revision || a.ok !== b.ok) return false
  return a.ok ? b.ok && equalBytes(a.body, b.body) : !b.ok && a.reason === b.reason
}

const show = (outcome: Outcome): string =>
  outcome.ok
    ? `ok at ${outcome.revision} with ${Buffer.from(outcome.body).toString('hex')}`
    : `${outcome.reason} at ${outcome.revision}`
