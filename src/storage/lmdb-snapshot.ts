import type { Transaction } from 'lmdb'
import type { ReadView } from '../mvcc/view.ts'
import type { Done, SnapshotSink, SnapshotSource, StagedState } from '../replica/ports.ts'
import type { TablesEnv } from './lmdb-env.ts'
import { readView } from './lmdb-view.ts'
import { LmdbWriter } from './lmdb-writer.ts'
import { SnapshotDecoder, SnapshotEncoder } from './snapshot-format.ts'
import { asError, StorageError } from './storage-error.ts'

/** A copy of `env` through one read transaction, which pins the pages it sees until `close`. */
export class LmdbSnapshotSource implements SnapshotSource {
  readonly #transaction: Transaction
  readonly #view: ReadView
  readonly #encoder: SnapshotEncoder
  readonly #onClose: () => void
  #closed = false

  constructor(env: TablesEnv, onClose: () => void) {
    env.root.resetReadTxn()
    this.#transaction = env.root.useReadTransaction()
    this.#view = readView(env, this.#transaction)
    this.#encoder = new SnapshotEncoder(this.#view)
    this.#onClose = onClose
  }

  next(): Uint8Array | null {
    return this.#encoder.next()
  }

  read<T>(work: (view: ReadView) => T): T {
    if (this.#closed) throw new StorageError('failed', 'snapshot: read after close')
    return work(this.#view)
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#encoder.close()
    this.#transaction.done()
    this.#onClose()
  }
}

/** Where a received state is built, and what becomes of it. */
export interface StagingPlace {
  /** Makes the directory and returns its path. */
  begin(): Promise<string>
  install(state: LmdbWriter, done: Done): void
  remove(path: string): Promise<void>
}

/** Builds a state from received chunks in an environment of its own. */
export class LmdbSnapshotSink implements SnapshotSink {
  readonly #place: StagingPlace
  readonly #decoder = new SnapshotDecoder()
  readonly #opened: Promise<LmdbWriter>
  /** Set by an abort and by the first error; nothing is written any more. */
  #over: Error | null = null

  constructor(place: StagingPlace) {
    this.#place = place
    this.#opened = place.begin().then((path) => LmdbWriter.open(path))
    // Reported by the first write or finish.
    this.#opened.catch(() => {})
  }

  write(chunk: Uint8Array, done: Done): void {
    this.#step(done, async (writer) => {
      const records = this.#decoder.decode(chunk)
      if (records.length === 0) return
      await new Promise<void>((resolve, reject) => {
        writer.transact(
          (view) => {
            for (const { table, key, value } of records) view.put(table, key, value)
          },
          (error) => (error === undefined ? resolve() : reject(error)),
        )
      })
    })
  }

  finish(done: (error: Error | null, staged: StagedState | null) => void): void {
    let staged: StagedState | null = null
    const finished = (error?: Error): void => done(error ?? null, error === undefined ? staged : null)
    this.#step(finished, async (writer) => {
      if (!this.#decoder.complete) throw new StorageError('damaged', 'snapshot: the end is missing')
      await new Promise<void>((resolve, reject) => {
        writer.flush((error) => (error === undefined ? resolve() : reject(error)))
      })
      staged = new LmdbStagedState(writer, this.#place)
    })
  }

  abort(): void {
    this.#end(new StorageError('failed', 'snapshot: aborted'))
  }

  #step(done: Done, work: (writer: LmdbWriter) => Promise<void>): void {
    const run = async (): Promise<void> => {
      const writer = await this.#opened
      if (this.#over !== null) throw this.#over
      await work(writer)
      if (this.#over !== null) throw this.#over
    }
    run().then(
      () => done(),
      (error: unknown) => {
        this.#end(asError(error))
        done(asError(error))
      },
    )
  }

  #end(reason: Error): void {
    if (this.#over !== null) return
    this.#over = reason
    // Closing waits for what lmdb has under way. If the environment never opened, the next start removes the directory.
    this.#opened.then((writer) => discard(writer, this.#place)).catch(() => {})
  }
}

class LmdbStagedState implements StagedState {
  readonly #state: LmdbWriter
  readonly #place: StagingPlace
  #used = false

  constructor(state: LmdbWriter, place: StagingPlace) {
    this.#state = state
    this.#place = place
  }

  install(done: Done): void {
    this.#use()
    this.#place.install(this.#state, done)
  }

  discard(): void {
    this.#use()
    void discard(this.#state, this.#place)
  }

  #use(): void {
    if (this.#used) throw new StorageError('failed', 'snapshot: already installed or discarded')
    this.#used = true
  }
}

async function discard(state: LmdbWriter, place: StagingPlace): Promise<void> {
  await state.close()
  await place.remove(state.env.path)
}
