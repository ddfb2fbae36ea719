import { assert } from '../../src/base/assert.ts'
import type { Index } from '../../src/base/ids.ts'
import { getApplied } from '../../src/mvcc/meta.ts'
import type { ReadView, WriteView } from '../../src/mvcc/view.ts'
import type { Done, StagedState, StateStore } from '../../src/replica/ports.ts'
import type { Dice } from './dice.ts'
import type { Machine } from './machine.ts'
import { bytesOf } from './sorted-table.ts'
import { openStateSink, openStateSource } from './state-snapshot.ts'
import { type Change, TableSet } from './table-set.ts'
import { requireProperty, Violation } from './violation.ts'

export interface StateDiskFaults {
  delayMs: readonly [low: number, high: number]
  flushMs: readonly [low: number, high: number]
  failNext: boolean
  /** A deliberate bug for the test of the checkers: a commit now and then has a byte that nobody wrote. */
  rots: boolean
}

export interface StateDiskWatcher {
  /** Inside a transaction, at its end; `before` is the applied index at its begin. */
  written(before: Index, tables: TableSet): void
  /** A transaction became visible, or the state was replaced. */
  committed(tables: TableSet): void
  /** The state was replaced by a received one; its asker does not know yet. */
  installed(): void
}

/**
 * The disk under one member's state. A commit is visible before it is flushed; a crash falls back to the last flushed
 * state or to any commit after it.
 */
export class StateDisk {
  readonly #dice: Dice
  readonly faults: StateDiskFaults
  #tables = new TableSet()
  /** Commits after the last flush, oldest first. */
  #unflushed: Change[][] = []
  #commits = 0
  #busy = false
  /** Installed but not reported: a crash keeps either. */
  #installing: TableSet | null = null

  constructor(dice: Dice, faults: StateDiskFaults) {
    this.#dice = dice
    this.faults = faults
  }

  get tables(): TableSet {
    return this.#tables
  }

  /** Writes that are durable from the start: how a fresh member begins. */
  initialise(work: (view: WriteView) => void): void {
    this.#tables.transact(work)
  }

  wipe(): void {
    this.#tables = new TableSet()
    this.#unflushed = []
    this.#installing = null
    this.#busy = false
  }

  crash(): string {
    this.#busy = false
    this.faults.failNext = false
    if (this.#installing && this.#dice.chance(0.5)) {
      this.#tables = this.#installing
      this.#installing = null
      this.#unflushed = []
      return 'replacement kept'
    }
    this.#installing = null
    const total = this.#unflushed.length
    const lost = this.#dice.chance(0.4) ? 0 : this.#dice.below(total + 1)
    for (let i = 0; i < lost; i++) this.#tables.undo(this.#unflushed.pop()!)
    this.#unflushed = []
    return `${lost} of ${total} unflushed commits lost`
  }

  /** The durable state if the member crashed now and lost all that may be lost. */
  readFlushed<T>(work: (view: ReadView) => T): T {
    for (let i = this.#unflushed.length - 1; i >= 0; i--) this.#tables.undo(this.#unflushed[i]!)
    try {
      return work(this.#tables)
    } finally {
      for (const changes of this.#unflushed) this.#tables.redo(changes)
    }
  }

  open(machine: Machine, watcher: StateDiskWatcher): StateStore {
    return {
      transact: (work, committed) => {
        if (machine.alive()) this.#transact(machine, watcher, work, committed)
      },
      read: (work) => work(this.#tables),
      flush: (done) => {
        if (!machine.alive()) return
        const upTo = this.#commits
        machine.later(this.#dice.between(...this.faults.flushMs), () => {
          this.#flushed(upTo)
          done()
        })
      },
      openSnapshot: () => openStateSource(this.#tables),
      openSink: () => openStateSink(machine, (tables) => this.#stage(machine, watcher, tables)),
      size: () => ({ allocated: 0, inUse: 0 }),
    }
  }

  #transact(machine: Machine, watcher: StateDiskWatcher, work: (view: WriteView) => void, committed: Done): void {
    requireProperty(!this.#busy, 'state contract', () => `${machine.name} began a transaction inside another`)
    this.#busy = true
    machine.later(this.#dice.between(0, 0.3), () => {
      let changes: Change[]
      try {
        const before = getApplied(this.#tables).index
        changes = this.#tables.transact((view) => {
          work(view)
          if (this.faults.rots && this.#dice.chance(0.05)) view.put('meta', bytesOf('rot'), Uint8Array.of(1))
          watcher.written(before, this.#tables)
        })
      } catch (error) {
        if (error instanceof Violation) throw error
        this.#busy = false
        machine.trace(`state: transaction failed: ${String(error)}`)
        machine.later(0, () => committed(error instanceof Error ? error : new Error(String(error))))
        return
      }
      // Visible later: until then readers must see the state before, so the writes are taken back.
      this.#tables.undo(changes)
      machine.later(this.#dice.between(...this.faults.delayMs), () => {
        this.#busy = false
        if (this.faults.failNext) {
          this.faults.failNext = false
          machine.trace('state: commit failed')
          return committed(new Error('simulated commit failure'))
        }
        this.#tables.redo(changes)
        this.#unflushed.push(changes)
        this.#commits++
        if (this.#dice.chance(0.3)) {
          const upTo = this.#commits
          machine.later(this.#dice.between(...this.faults.flushMs), () => this.#flushed(upTo))
        }
        watcher.committed(this.#tables)
        committed()
      })
    })
  }

  #flushed(upTo: number): void {
    const keep = this.#commits - upTo
    if (this.#unflushed.length > keep) this.#unflushed.splice(0, this.#unflushed.length - keep)
  }

  #stage(machine: Machine, watcher: StateDiskWatcher, tables: TableSet): StagedState {
    return {
      install: (done) => {
        if (!machine.alive()) return
        assert(!this.#busy, 'a state is not replaced during a transaction')
        this.#installing = tables
        machine.later(this.#dice.between(...this.faults.delayMs), () => {
          this.#tables = tables
          this.#installing = null
          this.#unflushed = []
          watcher.committed(tables)
          watcher.installed()
          done()
        })
      },
      discard: () => {},
    }
  }
}
