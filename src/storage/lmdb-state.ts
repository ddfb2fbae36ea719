import { basename } from 'node:path'
import { assert } from '../base/assert.ts'
import type { Histogram } from '../base/histogram.ts'
import type { Log } from '../base/log.ts'
import type { ReadView, WriteView } from '../mvcc/view.ts'
import type { Done, SnapshotSink, SnapshotSource, StateStore } from '../replica/ports.ts'
import { entriesOf, sizeOf, type TablesEnv } from './lmdb-env.ts'
import { HeldViews } from './lmdb-held-views.ts'
import { LmdbSnapshotSink, LmdbSnapshotSource } from './lmdb-snapshot.ts'
import { readView } from './lmdb-view.ts'
import { LmdbWriter } from './lmdb-writer.ts'
import { StateDirs } from './state-dirs.ts'
import { asError } from './storage-error.ts'

/** Called with the new state's path; `release` once the listener has closed what it had open of the old one. */
export type ReplacedListener = (path: string, release: () => void) => void

export interface LmdbState extends StateStore {
  /** For `openLmdbReader` in other threads; changes when a snapshot is installed. */
  path(): string
  /** Keys and leases that there are now. LMDB keeps count of them. */
  counts(): { readonly keys: number; readonly leases: number }
  /** The newest committed state, for as long as it is held. */
  hold(): { readonly view: ReadView; close(): void }
  /** @returns takes the listener away again. */
  onReplaced(listener: ReplacedListener): () => void
  /** After the last `committed`; waits until everything is on stable storage. */
  close(): Promise<void>
}

/**
 * Opens the replicated state in `dir`, which is made if it is not there.
 *
 * @throws StorageError if what is there is damaged.
 */
export async function openLmdbState(options: {
  readonly dir: string
  readonly log: Log
  /** From a commit to the checkpoint that follows by itself. */
  readonly checkpointDelayMs?: number
  /** How long checkpoints take. */
  readonly checkpointSeconds?: Histogram
}): Promise<{ store: LmdbState }> {
  const dirs = await StateDirs.open(options.dir, options.log)
  const writer = await LmdbWriter.open(dirs.currentPath, options.checkpointDelayMs)
  return { store: new EnvState(dirs, writer, options.log, options.checkpointSeconds ?? null) }
}

/** One environment and who still needs it. */
interface Generation {
  readonly env: TablesEnv
  readonly writer: LmdbWriter
  readonly view: ReadView
  readonly held: HeldViews
  /** The store itself while it is live, snapshots being sent, and listeners that have not let go. */
  users: number
}

function generationOf(writer: LmdbWriter, checkpointSeconds: Histogram | null): Generation {
  writer.checkpointSeconds = checkpointSeconds
  const { env } = writer
  return { env, writer, view: readView(env), held: new HeldViews(env), users: 1 }
}

class EnvState implements LmdbState {
  readonly #dirs: StateDirs
  readonly #log: Log
  readonly #checkpointSeconds: Histogram | null
  readonly #listeners = new Set<ReplacedListener>()
  /** Old environments being closed and removed. */
  readonly #retiring = new Set<Promise<void>>()
  #live: Generation
  #transacting = false

  constructor(dirs: StateDirs, writer: LmdbWriter, log: Log, checkpointSeconds: Histogram | null) {
    this.#dirs = dirs
    this.#log = log
    this.#checkpointSeconds = checkpointSeconds
    this.#live = generationOf(writer, checkpointSeconds)
  }

  path(): string {
    return this.#live.env.path
  }

  transact(work: (view: WriteView) => void, committed: Done): void {
    assert(!this.#transacting, 'state: transact before the last one was committed')
    this.#transacting = true
    this.#live.writer.transact(work, (error) => {
      this.#transacting = false
      committed(error)
    })
  }

  read<T>(work: (view: ReadView) => T): T {
    assert(!this.#live.writer.working, 'state: read from within a transaction')
    return work(this.#live.view)
  }

  hold(): { readonly view: ReadView; close(): void } {
    assert(!this.#live.writer.working, 'state: read from within a transaction')
    return this.#live.held.hold()
  }

  flush(done: Done): void {
    this.#live.writer.flush(done)
  }

  openSnapshot(): SnapshotSource {
    const generation = this.#live
    generation.users++
    return new LmdbSnapshotSource(generation.env, () => this.#release(generation))
  }

  openSink(): SnapshotSink {
    return new LmdbSnapshotSink({
      begin: () => this.#dirs.begin(),
      install: (received, done) => this.#install(received, done),
      remove: (path) => this.#dirs.remove(path),
    })
  }

  size(): { readonly allocated: number; readonly inUse: number } {
    this.#live.env.root.resetReadTxn()
    return sizeOf(this.#live.env)
  }

  counts(): { readonly keys: number; readonly leases: number } {
    const { root, dbs } = this.#live.env
    root.resetReadTxn()
    return { keys: entriesOf(dbs.current), leases: entriesOf(dbs.leases) }
  }

  onReplaced(listener: ReplacedListener): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async close(): Promise<void> {
    assert(!this.#transacting, 'state: closed before the last transaction was committed')
    await this.#live.held.allClosed()
    await this.#live.writer.close()
    await Promise.all(this.#retiring)
  }

  #install(received: LmdbWriter, done: Done): void {
    assert(!this.#transacting, 'state: installed during a transaction')
    this.#dirs.makeCurrent(basename(received.env.path)).then(
      () => {
        const old = this.#live
        this.#live = generationOf(received, this.#checkpointSeconds)
        for (const listener of this.#listeners) this.#tell(listener, old)
        this.#release(old)
        done()
      },
      (error: unknown) => done(asError(error)),
    )
  }

  #tell(listener: ReplacedListener, old: Generation): void {
    old.users++
    let released = false
    listener(this.#live.env.path, () => {
      if (released) return
      released = true
      this.#release(old)
    })
  }

  #release(generation: Generation): void {
    if (--generation.users > 0) return
    const { env, writer, held } = generation
    const retired = (async () => {
      await held.allClosed()
      await writer.close()
      await this.#dirs.remove(env.path)
      this.#log.info('removed a replaced state', { dir: env.path })
    })()
    this.#retiring.add(retired)
    retired.then(() => this.#retiring.delete(retired))
  }
}
