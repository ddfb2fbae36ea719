import { noMember } from '../../src/base/ids.ts'
import type { Entry, EntryId, HardState } from '../../src/raft/types.ts'
import type { Done, LogBatch, LogStore, RecoveredLog } from '../../src/replica/ports.ts'
import type { Dice } from './dice.ts'
import type { Machine } from './machine.ts'
import { requireProperty } from './violation.ts'

export interface LogDiskFaults {
  /** Milliseconds that one durable write takes. */
  delayMs: readonly [low: number, high: number]
  /** The next write fails, and all after it until the member is started again. */
  failNext: boolean
  /** A deliberate bug for the test of the checkers: completion is reported at once, durability comes later or never. */
  liesAboutDurability: boolean
  /** Another one: the vote is not there after a restart. */
  forgetsVotes: boolean
}

type Write =
  | { readonly kind: 'append'; readonly batch: LogBatch }
  | { readonly kind: 'reset'; readonly snapshot: EntryId; readonly hardState: HardState }

/** Called as soon as the member asks for it: before it is durable. */
export interface LogDiskWatcher {
  appended(batch: LogBatch): void
  resetTo(snapshot: EntryId): void
  released(index: number): void
}

const noHardState: HardState = { term: 0, vote: noMember, commit: 0 }

/** The disk under one member's log: what is durable outlives the member, what is in flight may be torn by a crash. */
export class LogDisk {
  readonly #dice: Dice
  readonly faults: LogDiskFaults
  #hardState = noHardState
  #start: EntryId = { term: 0, index: 0 }
  #entries: Entry[] = []
  #inFlight: Write[] = []
  #broken = false

  constructor(dice: Dice, faults: LogDiskFaults) {
    this.#dice = dice
    this.faults = faults
  }

  get lastIndex(): number {
    return this.#start.index + this.#entries.length
  }

  /** What a member finds when it opens the log. */
  recover(): RecoveredLog {
    this.#broken = false
    this.faults.failNext = false
    const hardState = this.faults.forgetsVotes ? { ...this.#hardState, vote: noMember } : this.#hardState
    return { hardState, start: this.#start, entries: [...this.#entries] }
  }

  /** The member is gone. Of what was in flight any prefix of its records may have reached the disk. */
  crash(): string {
    const torn = this.#inFlight
    this.#inFlight = []
    let kept = 'nothing in flight'
    for (const write of torn) {
      if (this.#dice.chance(0.3)) return 'in flight: lost'
      if (write.kind === 'reset') {
        this.#apply(write)
        kept = 'in flight: reset kept'
        continue
      }
      const { entries, hardState } = write.batch
      if (this.#dice.chance(0.4)) {
        this.#apply(write)
        kept = 'in flight: kept'
        continue
      }
      // A hard state is written in front of its entries, so that no entry of an unknown term is ever found.
      const count = this.#dice.below(entries.length + 1)
      this.#apply({ kind: 'append', batch: { hardState, entries: entries.slice(0, count) } })
      return `in flight: ${count} of ${entries.length} entries kept`
    }
    return kept
  }

  wipe(): void {
    this.#hardState = noHardState
    this.#start = { term: 0, index: 0 }
    this.#entries = []
    this.#inFlight = []
  }

  open(machine: Machine, watcher: LogDiskWatcher): LogStore {
    const write = (operation: Write, done: Done): void => {
      requireProperty(this.#inFlight.length === 0 || this.faults.liesAboutDurability, 'log contract', () => {
        return `${machine.name} began a write while another was in flight`
      })
      requireProperty(!this.#broken, 'log contract', () => `${machine.name} wrote to its log after an error`)
      this.#inFlight.push(operation)
      const delayMs = this.#dice.between(...this.faults.delayMs)
      if (this.faults.liesAboutDurability) {
        machine.later(0, () => done())
        machine.later(delayMs * 20, () => this.#complete(operation))
        return
      }
      machine.later(delayMs, () => {
        if (this.faults.failNext) {
          this.faults.failNext = false
          this.#broken = true
          machine.trace('log: write failed')
          return done(new Error('simulated fdatasync failure'))
        }
        this.#complete(operation)
        done()
      })
    }
    return {
      append: (batch, done) => {
        if (!machine.alive()) return
        watcher.appended(batch)
        const copy = { hardState: batch.hardState, entries: [...batch.entries] }
        write({ kind: 'append', batch: copy }, done)
      },
      reset: (snapshot, hardState, done) => {
        if (!machine.alive()) return
        watcher.resetTo(snapshot)
        write({ kind: 'reset', snapshot, hardState }, done)
      },
      release: (index) => {
        if (!machine.alive()) return
        watcher.released(index)
        this.#release(index)
      },
    }
  }

  #complete(operation: Write): void {
    const at = this.#inFlight.indexOf(operation)
    for (const done of this.#inFlight.splice(0, at + 1)) this.#apply(done)
  }

  #apply(operation: Write): void {
    if (operation.kind === 'reset') {
      this.#start = { term: operation.snapshot.term, index: operation.snapshot.index }
      this.#entries = []
      this.#hardState = operation.hardState
      return
    }
    const { hardState, entries } = operation.batch
    if (hardState) this.#hardState = hardState
    const first = entries[0]
    if (!first) return
    const position = first.index - this.#start.index - 1
    requireProperty(position >= 0 && position <= this.#entries.length, 'log contract', () => {
      return `appending ${first.index} to a log of ${this.#start.index + 1} to ${this.lastIndex}`
    })
    this.#entries.length = position
    for (const entry of entries) this.#entries.push(entry)
  }

  /** Whole segments only: sometimes less than asked for goes away. */
  #release(index: number): void {
    const upTo = Math.min(index, this.lastIndex) - this.#dice.below(8)
    const count = upTo - this.#start.index
    if (count <= 0) return
    const last = this.#entries[count - 1]!
    this.#entries = this.#entries.slice(count)
    this.#start = { term: last.term, index: last.index }
  }
}
