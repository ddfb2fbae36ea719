import { assert } from '../base/assert.ts'
import {
  type Pair,
  type ReadView,
  type ScanOptions,
  type Table,
  tableKeyBytesMax,
  tables,
  type WriteView,
} from '../mvcc/view.ts'
import type { Done, SnapshotSink, SnapshotSource, StagedState, StateStore } from '../replica/ports.ts'
import { SnapshotDecoder, SnapshotEncoder } from './snapshot-format.ts'
import { SortedTable } from './sorted-table.ts'
import { asError, StorageError } from './storage-error.ts'

export interface MemoryStateOptions {
  /** Runs `callback` later, in the order of calls or not: every completion goes through here. */
  readonly schedule: (callback: () => void) => void
  /** How many of `count` commits that were not flushed survive a crash, oldest first: 0 to `count`. Default: none. */
  readonly survivors?: (count: number) => number
}

/** All tables at one commit. Never changed once it is committed. */
type Tables = Readonly<Record<Table, SortedTable>>

const emptyTables = (): Tables =>
  Object.fromEntries(tables.map((table) => [table, new SortedTable()])) as Record<Table, SortedTable>

class TablesView implements WriteView {
  /** Tables that this transaction has its own copy of. */
  readonly #copied = new Set<Table>()
  readonly tables: Record<Table, SortedTable>

  constructor(committed: Tables) {
    this.tables = { ...committed }
  }

  get(table: Table, key: Uint8Array): Uint8Array | undefined {
    return this.tables[table].get(key)
  }

  scan(table: Table, options: ScanOptions): Iterable<Pair> {
    return this.tables[table].scan(options)
  }

  count(table: Table, options: Omit<ScanOptions, 'reverse'>): number {
    return this.tables[table].count(options)
  }

  put(table: Table, key: Uint8Array, value: Uint8Array): void {
    this.#own(table, key).put(key, value)
  }

  remove(table: Table, key: Uint8Array): void {
    this.#own(table, key).remove(key)
  }

  #own(table: Table, key: Uint8Array): SortedTable {
    assert(key.length > 0 && key.length <= tableKeyBytesMax, `table key of ${key.length} bytes`)
    if (!this.#copied.has(table)) {
      this.#copied.add(table)
      this.tables[table] = new SortedTable(this.tables[table])
    }
    return this.tables[table]
  }
}

/** The replicated state in memory, which loses at a crash what was not flushed. For simulations and tests. */
export class MemoryState implements StateStore {
  readonly #options: MemoryStateOptions
  #flushed: Tables
  /** Committed after `#flushed`, oldest first. */
  #unflushed: Tables[] = []
  #transacting = false
  #crashed = false

  constructor(options: MemoryStateOptions) {
    this.#options = options
    this.#flushed = emptyTables()
  }

  transact(work: (view: WriteView) => void, committed: Done): void {
    assert(!this.#transacting, 'state: transact before the last one was committed')
    this.#transacting = true
    this.#later(() => {
      const view = new TablesView(this.#newest)
      let failure: Error | undefined
      try {
        work(view)
      } catch (error) {
        failure = asError(error)
      }
      this.#later(() => {
        if (failure === undefined) this.#unflushed.push(view.tables)
        this.#transacting = false
        committed(failure)
      })
    })
  }

  read<T>(work: (view: ReadView) => T): T {
    return work(new TablesView(this.#newest))
  }

  flush(done: Done): void {
    const asked = this.#newest
    this.#later(() => {
      const at = this.#unflushed.indexOf(asked)
      if (at >= 0) {
        this.#flushed = asked
        this.#unflushed.splice(0, at + 1)
      }
      done()
    })
  }

  openSnapshot(): SnapshotSource {
    const view = new TablesView(this.#newest)
    const encoder = new SnapshotEncoder(view)
    return {
      next: () => encoder.next(),
      read: (work) => work(view),
      close: () => encoder.close(),
    }
  }

  openSink(): SnapshotSink {
    return new MemorySink(
      (callback) => this.#later(callback),
      (received) => this.#install(received),
    )
  }

  size(): { readonly allocated: number; readonly inUse: number } {
    let bytes = 0
    for (const table of tables) bytes += this.#newest[table].bytes
    return { allocated: bytes, inUse: bytes }
  }

  /** The store after a crash of the machine. This one is dead: none of its completions come any more. */
  crash(options: MemoryStateOptions = this.#options): MemoryState {
    this.#crashed = true
    const kept = this.#options.survivors?.(this.#unflushed.length) ?? 0
    assert(kept >= 0 && kept <= this.#unflushed.length, 'state: more survivors than commits')
    const next = new MemoryState(options)
    next.#flushed = kept === 0 ? this.#flushed : this.#unflushed[kept - 1]!
    return next
  }

  get #newest(): Tables {
    return this.#unflushed.at(-1) ?? this.#flushed
  }

  #install(received: Tables): void {
    assert(!this.#transacting, 'state: installed during a transaction')
    this.#flushed = received
    this.#unflushed = []
  }

  #later(callback: () => void): void {
    this.#options.schedule(() => {
      if (!this.#crashed) callback()
    })
  }
}

class MemorySink implements SnapshotSink {
  readonly #later: (callback: () => void) => void
  readonly #install: (received: Tables) => void
  readonly #decoder = new SnapshotDecoder()
  readonly #received = new TablesView(emptyTables())
  #over: Error | null = null

  constructor(later: (callback: () => void) => void, install: (received: Tables) => void) {
    this.#later = later
    this.#install = install
  }

  write(chunk: Uint8Array, done: Done): void {
    this.#step(() => {
      for (const { table, key, value } of this.#decoder.decode(chunk)) this.#received.put(table, key, value)
    }, done)
  }

  finish(done: (error: Error | null, staged: StagedState | null) => void): void {
    this.#step(
      () => {
        if (!this.#decoder.complete) throw new StorageError('damaged', 'snapshot: the end is missing')
      },
      (error) => {
        if (error !== undefined) return done(error, null)
        this.#over = new StorageError('failed', 'snapshot: already finished')
        done(null, this.#staged())
      },
    )
  }

  abort(): void {
    this.#over ??= new StorageError('failed', 'snapshot: aborted')
  }

  #staged(): StagedState {
    let used = false
    const use = (): void => {
      if (used) throw new StorageError('failed', 'snapshot: already installed or discarded')
      used = true
    }
    return {
      install: (done) => {
        use()
        this.#later(() => {
          this.#install(this.#received.tables)
          done()
        })
      },
      discard: use,
    }
  }

  #step(work: () => void, done: Done): void {
    this.#later(() => {
      try {
        if (this.#over !== null) throw this.#over
        work()
      } catch (error) {
        this.#over ??= asError(error)
        return done(asError(error))
      }
      done()
    })
  }
}
