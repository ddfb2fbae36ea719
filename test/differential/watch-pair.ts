import { setTimeout as sleep } from 'node:timers/promises'
import { type KeyRange, rangeContains, rangeFromWire } from '../../src/base/key-range.ts'
import { type WatchCreateRequest, WatchRequest, type WatchResponse } from '../../src/wire/gen/rpc.ts'
import { Difference } from './difference.ts'
import type { KnownDifferences } from './known-differences.ts'
import type { LoggedEvent, WatchLog } from './watch-log.ts'

/** Servers read history in passes of a tenth of a second. */
const waitMsMax = 8000

/** Two passes of etcd over the watches that lag, and some. */
const etcdSyncMs = 300

interface LiveWatch {
  readonly range: KeyRange
  readonly wantsPuts: boolean
  readonly wantsDeletes: boolean
  readonly from: bigint
  /** When it was created. */
  readonly compacted: number
  /** Events of the history up to here have been looked at. */
  seen: number
  expected: LoggedEvent[]
}

export interface Position {
  readonly current: number
  readonly compacted: number
}

/** The same watch stream at both servers, and what its watches have to be sent. */
export class WatchPair {
  readonly etcd: WatchLog
  readonly leasehold: WatchLog
  readonly #live = new Map<bigint, LiveWatch>()
  readonly #known: KnownDifferences
  /** When the last watch was created that has history to read. */
  #startedInPast = Number.NEGATIVE_INFINITY

  constructor(etcd: WatchLog, leasehold: WatchLog, known: KnownDifferences) {
    this.etcd = etcd
    this.leasehold = leasehold
    this.#known = known
  }

  get #logs(): readonly WatchLog[] {
    return [this.etcd, this.leasehold]
  }

  send(bytes: Uint8Array): void {
    for (const log of this.#logs) log.stream.send(bytes)
  }

  async create(request: WatchCreateRequest, { current, compacted }: Position): Promise<void> {
    this.#sendRequest({ $case: 'create_request', value: request })
    const response = (await this.#answers(1))[0]!
    if (!response.created || response.canceled) return
    const { start_revision: start, filters } = request
    this.#live.set(response.watch_id, {
      range: rangeFromWire(request.key.length === 0 ? Uint8Array.of(0) : request.key, request.range_end),
      wantsPuts: !filters.includes(0),
      wantsDeletes: !filters.includes(1),
      from: start === 0n ? BigInt(current + 1) : start,
      compacted,
      seen: 0,
      expected: [],
    })
    if (start === 0n || start > BigInt(current)) return
    if (start >= BigInt(compacted)) {
      this.#startedInPast = performance.now()
      return
    }
    await this.#answers(1)
    this.#known.saw('compactedHeader')
    await this.#forgetCompacted(response.watch_id)
  }

  /** In etcd a watch that has ended by itself keeps its id until the client cancels it. */
  async #forgetCompacted(id: bigint): Promise<void> {
    this.#known.saw('compactedId')
    this.#live.delete(id)
    for (const log of this.#logs) log.watches.delete(id)
    this.etcd.stream.send(encodeWatchRequest({ $case: 'cancel_request', value: { watch_id: id } }))
    const isAnswered = (): boolean => {
      this.etcd.read()
      return this.etcd.control.length > 0
    }
    await this.etcd.stream.until(isAnswered, waitMsMax)
    this.etcd.control.shift()
  }

  /** Until etcd has looked at the watches that start in the past, which it does from time to time: nothing tells. */
  async untilSynced(): Promise<void> {
    const left = this.#startedInPast + etcdSyncMs - performance.now()
    if (left > 0) await sleep(left)
  }

  async cancel(id: bigint): Promise<void> {
    const isLive = this.#live.delete(id)
    this.#sendRequest({ $case: 'cancel_request', value: { watch_id: id } })
    if (!isLive) return
    await this.#answers(1)
    // Events under way when a watch ends may or may not be sent.
    const [etcd, leasehold] = this.#logs.map((log) => log.watches.get(id)?.events ?? []) as [
      LoggedEvent[],
      LoggedEvent[],
    ]
    const count = Math.min(etcd.length, leasehold.length)
    this.#compareEvents(id, etcd.slice(0, count), leasehold.slice(0, count))
    for (const log of this.#logs) log.watches.delete(id)
  }

  hasFutureWatch({ current }: Position): boolean {
    return [...this.#live.values()].some(({ from }) => from > BigInt(current + 1))
  }

  async progress(): Promise<void> {
    this.#sendRequest({ $case: 'progress_request', value: {} })
    await this.#answers(1)
  }

  /** The stream was given something that must end it. */
  async end(): Promise<void> {
    for (const log of this.#logs) await log.stream.until(() => log.stream.ended !== null, waitMsMax)
    const [etcd, leasehold] = this.#logs.map((log) => JSON.stringify(log.stream.ended)) as [string, string]
    if (this.etcd.stream.ended?.code !== this.leasehold.stream.ended?.code) {
      throw new Difference('watch', 'how a watch stream ends', etcd, leasehold)
    }
    if (etcd !== leasehold) this.#known.saw('undecodable')
  }

  close(): void {
    for (const log of this.#logs) log.stream.cancel()
  }

  /** Until every watch has all events of `history` that it wants; then compares everything. */
  async settle(history: readonly LoggedEvent[]): Promise<void> {
    for (const watch of this.#live.values()) {
      for (; watch.seen < history.length; watch.seen++) {
        const event = history[watch.seen]!
        if (event.revision >= watch.from && isWanted(watch, event)) watch.expected.push(event)
      }
    }
    const isComplete = (log: WatchLog): boolean => {
      log.read()
      return [...this.#live].every(
        ([id, watch]) => log.eventCount(id) >= watch.expected.length - (log === this.etcd ? lostInEtcd(watch) : 0),
      )
    }
    for (const log of this.#logs) await log.stream.until(() => isComplete(log) || log.stream.ended !== null, waitMsMax)
    this.#compareControl()
    for (const [id, watch] of this.#live) {
      const [etcd, leasehold] = this.#logs.map((log) => log.watches.get(id)?.events ?? []) as [
        LoggedEvent[],
        LoggedEvent[],
      ]
      const lost = lostInEtcd(watch)
      if (lost > 0) this.#known.saw('lostTombstone')
      this.#compareEvents(id, etcd, lost === 0 ? leasehold : leasehold.filter((event) => !isLost(watch, event)))
      const missing = watch.expected.length - leasehold.length
      if (missing !== 0) {
        const what = `events of watch ${id}: ${missing} of ${watch.expected.length} are missing at leasehold`
        throw new Difference('watch', what, textOf(etcd), textOf(leasehold))
      }
      watch.expected = []
      for (const log of this.#logs) log.watches.get(id)!.events = []
    }
    for (const log of this.#logs) this.#refuseBroken(log)
  }

  #sendRequest(request: WatchRequest['request_union']): void {
    this.send(encodeWatchRequest(request))
  }

  /** The next `count` answers to requests, which are equal: etcd's. */
  async #answers(count: number): Promise<WatchResponse[]> {
    const has = (log: WatchLog): boolean => {
      log.read()
      return log.control.length >= count || log.stream.ended !== null
    }
    for (const log of this.#logs) await log.stream.until(() => has(log), waitMsMax)
    const responses = this.etcd.control.slice(0, count).map(({ response }) => response)
    this.#compareControl(count)
    if (responses.length < count) throw new Difference('watch', 'answers on a watch stream', 'none came', 'none came')
    return responses
  }

  /** @param count of responses; what came after those is left for later. */
  #compareControl(count = Number.POSITIVE_INFINITY): void {
    const [theirs, ours] = this.#logs.map((log) => {
      const texts = log.control.splice(0, count).map(({ text }) => text)
      if (log.stream.ended !== null) texts.push(`ended ${JSON.stringify(log.stream.ended)}`)
      return texts.join('\n')
    }) as [string, string]
    if (theirs !== ours) throw new Difference('watch', 'answers on a watch stream', theirs, ours)
  }

  #compareEvents(id: bigint, etcd: readonly LoggedEvent[], leasehold: readonly LoggedEvent[]): void {
    const [theirs, ours] = [textOf(etcd), textOf(leasehold)]
    if (theirs !== ours) throw new Difference('watch', `events of watch ${id}`, theirs, ours)
  }

  #refuseBroken(log: WatchLog): void {
    if (log.broken.length === 0) return
    const own = log.broken.join('\n')
    const [theirs, ours] = log === this.etcd ? [own, ''] : ['', own]
    throw new Difference('watch', 'rules of the watch protocol', theirs, ours)
  }
}

const encodeWatchRequest = (request: WatchRequest['request_union']): Uint8Array =>
  WatchRequest.encode({ request_union: request }).finish()

const isWanted = (watch: LiveWatch, event: LoggedEvent): boolean =>
  (event.isDelete ? watch.wantsDeletes : watch.wantsPuts) && rangeContains(watch.range, event.key)

/** etcd before 3.5.18 compacts the deletes of the very revision to which it compacts. */
const isLost = (watch: LiveWatch, event: LoggedEvent): boolean =>
  event.isDelete && event.revision === BigInt(watch.compacted)
const lostInEtcd = (watch: LiveWatch): number => watch.expected.filter((event) => isLost(watch, event)).length

const textOf = (events: readonly LoggedEvent[]): string => events.map(({ text }) => text).join('\n')
