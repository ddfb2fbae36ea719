import { reading } from '../auth/operation.ts'
import { equalBytes } from '../base/bytes.ts'
import { LeaderRequest, LeaderResponse } from '../wire/gen/election.ts'
import type { KeyValue } from '../wire/gen/kv.ts'
import { refuseWithoutLeader, requireLeaderKey, requireLeaderValue } from './admission.ts'
import type { Call } from './call.ts'
import { decodeRequest } from './decode.ts'
import { liveCallsOf } from './live-calls.ts'
import type { Member } from './member.ts'
import { firstCreatedOp, ownTxn } from './own-txn.ts'
import { isDeletion, OwnWatch, type WatchedKeys, type WatchHandler } from './own-watch.ts'
import { respond } from './respond.ts'
import type { MessageStream } from './stream.ts'
import { queueEnd, queuePrefix } from './turn-queue.ts'

/**
 * Tells who leads an election and what they say, now and at every change, in order, until the client goes. What was said
 * while history was compacted under a client that does not read is left out; the latest is always told.
 *
 * @source etcd client/v3/concurrency/election.go, observe; there the call ends as if all was well when its watch is lost.
 */
export function observe(
  watch: WatchHandler,
  member: Member,
  bytes: Uint8Array,
  stream: MessageStream,
  call: Call,
): void {
  const { name } = decodeRequest(LeaderRequest, bytes)
  if (stream.metadata(requireLeaderKey) === requireLeaderValue) refuseWithoutLeader(member)
  const observer = new ElectionObserver(watch, member, name, stream)
  const range = { start: queuePrefix(name), end: queueEnd(queuePrefix(name)), isPoint: false }
  const held = liveCallsOf(member).hold(
    call,
    () => reading(range),
    (error) => observer.end(error),
  )
  stream.onClose(held.release)
  observer.run(held.call).catch((error: Error) => observer.end(error))
}

class ElectionObserver {
  readonly #watch: WatchHandler
  readonly #member: Member
  readonly #prefix: Uint8Array
  readonly #stream: MessageStream
  #own: OwnWatch | null = null
  #stop: () => void = () => {}
  #closed = false
  #writable = true

  constructor(watch: WatchHandler, member: Member, name: Uint8Array, stream: MessageStream) {
    this.#watch = watch
    this.#member = member
    this.#prefix = queuePrefix(name)
    this.#stream = stream
    stream.onDrain(() => {
      this.#writable = true
      this.#own?.drain()
    })
    stream.onClose(() => {
      this.#closed = true
      this.#stop()
    })
  }

  end(error: Error): void {
    if (this.#closed) return
    this.#closed = true
    this.#stop()
    this.#stream.end(error)
  }

  async run(call: Call): Promise<void> {
    const success = [firstCreatedOp(this.#prefix, queueEnd(this.#prefix))]
    let told: KeyValue | undefined
    while (!this.#closed) {
      const seen = await ownTxn(this.#member, call, { compare: [], success, failure: [] })
      let [leader] = seen.kvs(0)
      let after = seen.revision
      if (leader === undefined) {
        leader = await this.#firstPut(call, after + 1n)
        if (leader === undefined) continue
        after = leader.mod_revision
      }
      // After history was lost, the last words may be those that were told last.
      const isNews = told?.mod_revision !== leader.mod_revision || !equalBytes(told.key, leader.key)
      if (isNews) this.#tell(after, leader)
      told = await this.#follow(call, leader, after)
    }
  }

  /** @returns undefined if history is gone, or nobody asks any more. */
  async #firstPut(call: Call, startRevision: bigint): Promise<KeyValue | undefined> {
    let first: KeyValue | undefined
    await this.#until(call, { key: this.#prefix, end: queueEnd(this.#prefix) }, startRevision, (_, kv, isDelete) => {
      if (!isDelete) first ??= kv
      return first !== undefined
    })
    return first
  }

  /** Tells what the leader says until it leads no more. @returns what was told last. */
  async #follow(call: Call, leader: KeyValue, after: bigint): Promise<KeyValue> {
    let last = leader
    await this.#until(call, { key: leader.key }, after + 1n, (revision, kv, isDelete) => {
      if (isDelete) return true
      this.#tell(revision, kv)
      last = kv
      return false
    })
    return last
  }

  /** Watches until an event is the last of interest, history is gone or nobody asks any more. */
  async #until(
    call: Call,
    keys: WatchedKeys,
    startRevision: bigint,
    event: (revision: bigint, kv: KeyValue, isDelete: boolean) => boolean,
  ): Promise<void> {
    if (this.#closed) return
    const over = Promise.withResolvers<void>()
    let isOver = false
    const own = new OwnWatch(
      {
        response: ({ header, events, canceled }) => {
          for (const item of events) {
            if (isOver || item.kv === undefined) break
            isOver = event(header?.revision ?? 0n, item.kv, isDeletion(item))
          }
          if (isOver || canceled) over.resolve()
          return this.#writable
        },
        ended: (error) => (error === undefined ? over.resolve() : over.reject(error)),
      },
      (name) => this.#stream.metadata(name),
    )
    this.#stop = over.resolve
    this.#own = own
    try {
      own.start(this.#watch, call, [keys], startRevision)
      await over.promise
    } finally {
      this.#own = null
      own.close()
    }
  }

  #tell(revision: bigint, kv: KeyValue): void {
    const body = LeaderResponse.encode({ header: undefined, kv }).finish()
    this.#writable = this.#stream.write(respond(this.#member, Number(revision), body))
  }
}
