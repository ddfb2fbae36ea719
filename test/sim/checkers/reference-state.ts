import { type Applied, applyEntries } from '../../../src/apply/apply.ts'
import type { CommittedBatch, LeaseChange, Outcome, WatchEvent } from '../../../src/apply/outcome.ts'
import type { Index, Revision } from '../../../src/base/ids.ts'
import { getApplied, getCompactRevision, getConfState, getRevision } from '../../../src/mvcc/meta.ts'
import type { WriteView } from '../../../src/mvcc/view.ts'
import type { ConfState, Entry } from '../../../src/raft/types.ts'
import { Command } from '../../../src/wire/gen/internal.ts'
import { Event, Event_EventType } from '../../../src/wire/gen/kv.ts'
import { hashBytes } from '../hash.ts'
import { textOf } from '../sorted-table.ts'
import { TableSet } from '../table-set.ts'
import { requireProperty } from '../violation.ts'

interface Version {
  readonly revision: Revision
  /** Null: deleted. */
  readonly value: string | null
}

const sameEvent = (a: WatchEvent, b: WatchEvent): boolean =>
  a.main === b.main && a.sub === b.sub && a.type === b.type && hashBytes(a.encoded) === hashBytes(b.encoded)

/**
 * One state machine outside of the cluster that applies the committed log one entry at a time: what every member's
 * state must equal at the same index, however it got there, and what every answer must agree with.
 */
export class ReferenceState {
  readonly tables = new TableSet()
  /** Digest of the agreed tables after each index. */
  readonly #digests: number[]
  /** Request bytes -> verdict. The workload makes every request unique. */
  readonly #outcomes = new Map<string, Outcome>()
  readonly #events = new Map<Revision, readonly WatchEvent[]>()
  readonly #versions = new Map<string, Version[]>()
  readonly #onLeaseChange: (change: LeaseChange) => void

  constructor(bootstrap: (view: WriteView) => void, onLeaseChange: (change: LeaseChange) => void) {
    this.tables.transact(bootstrap)
    this.#digests = [this.tables.digest]
    this.#onLeaseChange = onLeaseChange
  }

  get applied(): Index {
    return this.#digests.length - 1
  }
  get revision(): Revision {
    return getRevision(this.tables)
  }
  get compactRevision(): Revision {
    return getCompactRevision(this.tables)
  }
  get confState(): ConfState {
    return getConfState(this.tables)
  }

  apply(entry: Entry): void {
    const before = this.revision
    let results: readonly Applied[] = []
    this.tables.transact((view) => {
      results = applyEntries(view, [entry], () => true)
    })
    this.#digests.push(this.tables.digest)
    const result = results[0]
    if (!result) return
    const after = this.revision
    requireProperty(after === before || after === before + 1, 'revisions contiguous', () => {
      return `entry ${entry.index} moved the revision from ${before} to ${after}`
    })
    requireProperty(after > before === result.events.length > 0, 'revisions contiguous', () => {
      return `entry ${entry.index} made ${result.events.length} events and moved the revision by ${after - before}`
    })
    if (result.events.length > 0) this.#events.set(after, result.events)
    for (const event of result.events) this.#addVersion(event, after)
    for (const change of result.leaseChanges) this.#onLeaseChange(change)
    if (entry.type === 'normal' && entry.data.length > 0 && result.outcome) this.#addOutcome(entry, result.outcome)
  }

  /** A member's visible state changed. */
  checkTables(member: string, tables: TableSet): void {
    const { index } = getApplied(tables)
    requireProperty(index <= this.applied, 'state machine safety', () => {
      return `${member} applied ${index}; only ${this.applied} is known to be committed`
    })
    requireProperty(tables.digest === this.#digests[index], 'state machine safety', () => {
      return `${member} has another state at index ${index} than the log gives`
    })
  }

  /** @param after revision of the member before this batch. */
  checkEvents(member: string, batch: CommittedBatch, after: Revision): void {
    let revision = after
    const events = batch.events
    for (let i = 0; i < events.length; ) {
      const main: Revision = events[i]!.main
      requireProperty(main === revision + 1, 'watch events', () => `${member} publishes ${main} after ${revision}`)
      const expected = this.#events.get(main) ?? []
      for (const one of expected) {
        const event = events[i++]
        requireProperty(event !== undefined && sameEvent(event, one), 'watch events', () => {
          return `${member} publishes another ${main}.${one.sub} than the log gives`
        })
      }
      requireProperty(expected.length > 0, 'watch events', () => `${member} publishes unknown revision ${main}`)
      revision = main
    }
    requireProperty(revision === batch.revision, 'watch events', () => {
      return `${member} publishes up to ${revision} and says ${batch.revision}`
    })
  }

  outcomeOf(request: Uint8Array): Outcome | undefined {
    return this.#outcomes.get(textOf(request))
  }

  /** The value of `key` at `revision`; null if there was none. */
  valueAt(key: string, revision: Revision): string | null {
    const versions = this.#versions.get(key) ?? []
    for (let i = versions.length - 1; i >= 0; i--) if (versions[i]!.revision <= revision) return versions[i]!.value
    return null
  }

  #addOutcome(entry: Entry, outcome: Outcome): void {
    const { request, proposal_id } = Command.decode(entry.data)
    // Revocations of expired leases answer to nobody, and may be proposed again by the next leader.
    if (proposal_id === 0n) return
    const name = textOf(request)
    requireProperty(
      !this.#outcomes.has(name),
      'exactly once',
      () => `one proposal was committed twice, again at ${entry.index}`,
    )
    this.#outcomes.set(name, outcome)
  }

  #addVersion(event: WatchEvent, revision: Revision): void {
    const { type, kv } = Event.decode(event.encoded)
    if (!kv) return
    const key = textOf(kv.key)
    const versions = this.#versions.get(key) ?? []
    this.#versions.set(key, versions)
    versions.push({ revision, value: type === Event_EventType.PUT ? textOf(kv.value) : null })
  }
}
