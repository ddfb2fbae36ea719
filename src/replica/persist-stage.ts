import { assert } from '../base/assert.ts'
import type { Entry, EntryId, HardState, Message, Ready } from '../raft/types.ts'
import type { LogStore } from './ports.ts'

export interface PersistStageHooks {
  /** Entries up to `last` and the hard states before them are on disk. */
  persisted(last: EntryId): void
  send(messages: readonly Message[]): void
  failed(error: Error): void
}

/** So many writers come together while one write is under way that the thread pool's way is a small part of theirs. */
const fewEntriesMax = 8

/**
 * First stage of the pipeline: everything that waits while one write is in flight becomes the next write, with one
 * fdatasync. A hard state whose commit index alone moved does not ask for a write of its own: the commit index is
 * only a hint after a restart, and rides along with the next entries.
 */
export class PersistStage {
  readonly #log: LogStore
  readonly #hooks: PersistStageHooks
  #entries: Entry[] = []
  #hardState: HardState | null = null
  #mustWrite = false
  #messages: Message[] = []
  #writing = false
  #isDisturbed = false
  #suspended = false
  #stopped = false
  /** Term and vote of the newest hard state that was handed to the log. */
  #written: HardState
  #whenIdle: (() => void) | null = null

  constructor(log: LogStore, recovered: HardState, hooks: PersistStageHooks) {
    this.#log = log
    this.#written = recovered
    this.#hooks = hooks
  }

  enqueue(ready: Ready): void {
    const { hardState, entries, messagesAfterPersist } = ready
    if (hardState) {
      this.#hardState = hardState
      if (hardState.term !== this.#written.term || hardState.vote !== this.#written.vote) this.#mustWrite = true
    }
    const first = entries[0]
    if (first) {
      const waiting = this.#entries[0]
      if (waiting && first.index <= this.#entries[this.#entries.length - 1]!.index) {
        // A newer leader replaced a suffix that has not even been written yet.
        this.#entries.length = Math.max(0, first.index - waiting.index)
      }
      for (const entry of entries) this.#entries.push(entry)
      this.#mustWrite = true
    }
    for (const message of messagesAfterPersist) this.#messages.push(message)
  }

  /** Somebody else, who reads or is a member, has come since the last write: who comes like that should not wait for the next. */
  disturb(): void {
    this.#isDisturbed = true
  }

  /** Starts the next write if none is in flight. */
  run(): void {
    if (this.#writing || this.#suspended || this.#stopped) return
    if (!this.#mustWrite) {
      if (this.#messages.length > 0) this.#hooks.send(this.#takeMessages())
      return
    }
    const entries = this.#entries
    const hardState = this.#hardState
    const messages = this.#takeMessages()
    this.#entries = []
    this.#hardState = null
    this.#mustWrite = false
    if (hardState) this.#written = hardState
    this.#writing = true
    const isOfFew = !this.#isDisturbed && entries.length <= fewEntriesMax
    this.#isDisturbed = false
    this.#log.append({ hardState, entries, isOfFew }, (error) => {
      this.#writing = false
      if (this.#stopped) return this.#whenIdle?.()
      if (error) return this.#hooks.failed(error)
      if (messages.length > 0) this.#hooks.send(messages)
      const last = entries[entries.length - 1]
      if (last) this.#hooks.persisted({ term: last.term, index: last.index })
      if (this.#whenIdle) this.#whenIdle()
      else this.run()
    })
  }

  /**
   * A snapshot replaces the log: what waits is void, messages included (they may speak of entries that will not be).
   * Nothing is written until `reset`; what is enqueued from now on comes after the snapshot.
   */
  suspend(): void {
    this.#suspended = true
    this.#entries = []
    this.#messages = []
  }

  /** Lets the write in flight end, starts the log anew after `snapshot`, and goes on. */
  reset(snapshot: EntryId, done: () => void): void {
    assert(this.#suspended && !this.#whenIdle, 'a log reset follows one suspension')
    const reset = (): void => {
      const hardState = { ...(this.#hardState ?? this.#written), commit: snapshot.index }
      this.#hardState = null
      this.#written = hardState
      this.#mustWrite = this.#entries.length > 0
      this.#writing = true
      this.#log.reset(snapshot, hardState, (error) => {
        this.#writing = false
        if (this.#stopped) return this.#whenIdle?.()
        this.#whenIdle = null
        this.#suspended = false
        if (error) return this.#hooks.failed(error)
        done()
        this.run()
      })
    }
    this.#whenIdle = reset
    if (!this.#writing) reset()
  }

  /** Begins nothing more; `idle` when the write in flight has ended. */
  stop(idle: () => void = () => {}): void {
    this.#stopped = true
    if (this.#writing) this.#whenIdle = idle
    else idle()
  }

  #takeMessages(): Message[] {
    const messages = this.#messages
    this.#messages = []
    return messages
  }
}
