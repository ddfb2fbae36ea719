import type { ReadView } from '../mvcc/view.ts'
import type { TablesEnv } from './lmdb-env.ts'
import { readView } from './lmdb-view.ts'

/** Views of one environment that last for more than one turn of the event loop, each through a transaction of its own. */
export class HeldViews {
  readonly #env: TablesEnv
  #open = 0
  #allClosed: PromiseWithResolvers<void> | null = null

  constructor(env: TablesEnv) {
    this.#env = env
  }

  /** The state that the environment's shared read transaction sees. Iterators on it must be ended before `close`. */
  hold(): { readonly view: ReadView; close(): void } {
    // lmdb shares its current transaction until it is renewed, and then leaves it to those who use it.
    const transaction = this.#env.root.useReadTransaction()
    this.#open++
    let isOpen = true
    return {
      view: readView(this.#env, transaction),
      close: () => {
        if (!isOpen) return
        isOpen = false
        transaction.done()
        if (--this.#open === 0) this.#allClosed?.resolve()
      },
    }
  }

  /** The environment may be closed then, if nobody asks for another. */
  allClosed(): Promise<void> {
    if (this.#open === 0) return Promise.resolve()
    this.#allClosed ??= Promise.withResolvers()
    return this.#allClosed.promise
  }
}
