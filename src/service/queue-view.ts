import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import type { KeyValue } from '../wire/gen/kv.ts'
import type { WatchResponse } from '../wire/gen/rpc.ts'
import { memberCall } from './call.ts'
import type { Member } from './member.ts'
import { createdInOrderOp, ownTxn } from './own-txn.ts'
import { isDeletion, OwnWatch, type WatchHandler } from './own-watch.ts'

/** A key in a form that Map and Set can tell apart. */
export const nameOf = (key: Uint8Array): string => Buffer.from(key).toString('latin1')

/**
 * The keys of one queue in the order of their creation, followed by one watch for all that wait in it on this member: a
 * turn that ends costs what its own events cost, however many wait. Lives while anyone waits.
 *
 * Only says when to look: it reads as the member itself, and whoever is woken asks the store, with its own rights, whether
 * its key is still there.
 */
export class QueueView {
  readonly #watch: WatchHandler
  readonly #member: Member
  readonly #start: Uint8Array
  readonly #end: Uint8Array
  /** Names of keys, first created first. */
  #keys = new Set<string>()
  /** There are more keys than are remembered: those after them are not told apart. */
  #isCut = false
  #revision = 0n
  #isLoading = false
  #own: OwnWatch | null = null
  readonly #waiters = new Map<string, Set<PromiseWithResolvers<void>>>()
  #calls = 0
  #closed = false

  constructor(watch: WatchHandler, member: Member, start: Uint8Array, end: Uint8Array) {
    this.#watch = watch
    this.#member = member
    this.#start = start
    this.#end = end
    this.#load()
  }

  /** It follows the queue no more, because nobody waits or because it cannot: whoever comes now needs another one. */
  get isClosed(): boolean {
    return this.#closed
  }

  /** A call begins to use it. */
  enter(): void {
    this.#calls++
  }

  /** A call is done with it. */
  exit(): void {
    if (--this.#calls === 0) this.#close()
  }

  /**
   * Waits until the key seems to be first, or gone.
   *
   * @param ended rejects when the caller waits no more.
   * @throws EtcdError why the queue cannot be followed.
   */
  async firstOrGone(key: Uint8Array, created: bigint, ended: Promise<never>): Promise<void> {
    const name = nameOf(key)
    const isGone = (): boolean => this.#revision >= created && !this.#isCut && !this.#keys.has(name)
    if (!this.#isLoading && (this.#first() === name || isGone())) return
    const waiter = Promise.withResolvers<void>()
    const waiters = this.#waiters.get(name) ?? new Set()
    this.#waiters.set(name, waiters.add(waiter))
    try {
      await Promise.race([waiter.promise, ended])
    } finally {
      waiters.delete(waiter)
      if (waiters.size === 0 && this.#waiters.get(name) === waiters) this.#waiters.delete(name)
    }
  }

  #close(): void {
    this.#closed = true
    this.#own?.close()
  }

  #first(): string | undefined {
    return this.#keys.values().next().value
  }

  #wake(name: string | undefined): void {
    if (name !== undefined) for (const waiter of this.#waiters.get(name) ?? []) waiter.resolve()
  }

  #load(): void {
    this.#isLoading = true
    this.#own?.close()
    this.#read().catch((error: Error) => this.#fail(error))
  }

  async #read(): Promise<void> {
    const success = [createdInOrderOp(this.#start, this.#end, limits.turnKeysMax)]
    const seen = await ownTxn(this.#member, memberCall, { compare: [], success, failure: [] })
    if (this.#closed) return
    const kvs = seen.kvs(0)
    this.#keys = new Set(kvs.map(({ key }) => nameOf(key)))
    this.#isCut = kvs.length === limits.turnKeysMax
    this.#revision = seen.revision
    this.#isLoading = false
    this.#own = new OwnWatch({
      response: (response) => this.#follow(response),
      ended: (error) => this.#fail(error ?? new EtcdError('stopped')),
    })
    this.#own.start(this.#watch, memberCall, [{ key: this.#start, end: this.#end }], seen.revision + 1n)
    // Those who came while the keys were read, or were asleep when history was lost.
    for (const name of [...this.#waiters.keys()]) if (!this.#keys.has(name) && !this.#isCut) this.#wake(name)
    this.#wake(this.#first())
  }

  #follow({ events, canceled }: WatchResponse): boolean {
    if (this.#closed) return true
    if (canceled) {
      this.#load()
      return true
    }
    for (const event of events) if (event.kv !== undefined) this.#apply(event.kv, isDeletion(event))
    if (this.#isCut && this.#keys.size === 0) this.#load()
    else this.#wake(this.#first())
    return true
  }

  #apply({ key, version, mod_revision }: KeyValue, isDelete: boolean): void {
    const name = nameOf(key)
    // Not the header's: that may be ahead of the events.
    this.#revision = mod_revision
    if (isDelete) {
      this.#keys.delete(name)
      this.#wake(name)
    } else if (version === 1n && !this.#isCut) {
      this.#keys.add(name)
    }
  }

  #fail(error: Error): void {
    this.#close()
    for (const waiters of this.#waiters.values()) for (const waiter of waiters) waiter.reject(error)
  }
}
