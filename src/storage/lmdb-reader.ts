import type { ReadView } from '../mvcc/view.ts'
import { openTables } from './lmdb-env.ts'
import { HeldViews } from './lmdb-held-views.ts'
import { readView } from './lmdb-view.ts'

/** The replicated state for another thread of the process that has it open. */
export interface LmdbReader {
  /** One consistent state for the whole of `work`, which must not return before it is done with the view. */
  read<T>(work: (view: ReadView) => T): T
  /** That state for as long as it is held: its pages are not used again until `close`, which is repeatable. */
  hold(): { readonly view: ReadView; close(): void }
  /** The next `read` sees everything committed before this call. */
  refresh(): void
  /** Waits until no view is held. */
  close(): Promise<void>
}

/**
 * @param path `LmdbState.path()`, open in this process.
 * @throws StorageError if there is no state at `path`.
 */
export function openLmdbReader(path: string): LmdbReader {
  const env = openTables(path, 'read')
  const view = readView(env)
  const held = new HeldViews(env)
  return {
    read: (work) => work(view),
    hold: () => held.hold(),
    refresh: () => env.root.resetReadTxn(),
    close: async () => {
      await held.allClosed()
      await env.root.close()
    },
  }
}
