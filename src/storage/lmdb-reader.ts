import type { ReadView } from '../mvcc/view.ts'
import { openTables } from './lmdb-env.ts'
import { readView } from './lmdb-view.ts'

/** The replicated state for another thread of the process that has it open. */
export interface LmdbReader {
  /** One consistent state for the whole of `work`, which must not return before it is done with the view. */
  read<T>(work: (view: ReadView) => T): T
  /** The next `read` sees everything committed before this call. */
  refresh(): void
  close(): Promise<void>
}

/**
 * @param path `LmdbState.path()`, open in this process.
 * @throws StorageError if there is no state at `path`.
 */
export function openLmdbReader(path: string): LmdbReader {
  const env = openTables(path, 'read')
  const view = readView(env)
  return {
    read: (work) => work(view),
    refresh: () => env.root.resetReadTxn(),
    close: () => env.root.close(),
  }
}
