import assert from 'node:assert/strict'
import { silentLog } from '../../../src/base/log.ts'
import type { EtcdError } from '../../../src/errors.ts'
import type { StatusError } from '../../../src/service/status-error.ts'
import type { MessageStream } from '../../../src/service/stream.ts'
import { createWatchService } from '../../../src/service/watch.ts'
import { WatchCounts } from '../../../src/service/watch-counts.ts'
import type { WatchBounds } from '../../../src/service/watch-hub.ts'
import type { WatchTimers } from '../../../src/service/watch-timers.ts'
import { CommitEncoder, CoreBridge } from '../../../src/threads/core-bridge.ts'
import { LocalMember } from '../../../src/threads/local-member.ts'
import { ThreadMember } from '../../../src/threads/thread-member.ts'
import { Event_EventType } from '../../../src/wire/gen/kv.ts'
import {
  type WatchCreateRequest,
  type WatchCreateRequest_FilterType,
  WatchRequest,
  WatchResponse,
} from '../../../src/wire/gen/rpc.ts'
import { liveCall } from '../../support/fake-call.ts'
import { FakeCore } from '../threads/support/fake-core.ts'

interface Timer {
  readonly callback: () => void
  readonly everyMs: number | null
  dueMs: number
}

/** Far more than any test needs to settle. */
const turnsMax = 100_000

/** Time that moves when the test says so. */
export class ManualTimers implements WatchTimers {
  nowMs = 0
  readonly #soon: (() => void)[] = []
  readonly #timers = new Set<Timer>()

  soon(callback: () => void): void {
    this.#soon.push(callback)
  }

  after(ms: number, callback: () => void): { cancel(): void } {
    return this.#add({ callback, everyMs: null, dueMs: this.nowMs + ms })
  }

  every(ms: number, callback: () => void): { cancel(): void } {
    assert.ok(ms > 0, 'a timer that repeats lets time pass')
    return this.#add({ callback, everyMs: ms, dueMs: this.nowMs + ms })
  }

  random(): number {
    return 0.5
  }

  /** Runs one turn: what was asked for before it. */
  turn(): boolean {
    const callbacks = this.#soon.splice(0)
    for (const callback of callbacks) callback()
    return callbacks.length > 0
  }

  /** Runs turns until nothing is left to do. */
  settle(): void {
    for (let turns = 0; this.turn(); turns++) assert.ok(turns < turnsMax, `nothing left to do after ${turnsMax} turns`)
  }

  advance(ms: number): void {
    this.nowMs += ms
    for (const timer of [...this.#timers]) {
      while (this.#timers.has(timer) && timer.dueMs <= this.nowMs) {
        if (timer.everyMs === null) this.#timers.delete(timer)
        else timer.dueMs += timer.everyMs
        timer.callback()
      }
    }
  }

  get pending(): number {
    return this.#timers.size
  }

  #add(timer: Timer): { cancel(): void } {
    this.#timers.add(timer)
    return { cancel: () => this.#timers.delete(timer) }
  }
}

/** A client on the other end of one Watch call. */
export class FakeStream implements MessageStream {
  /** Encoded responses that the transport has taken and the test has not looked at. */
  readonly written: Uint8Array[] = []
  /** Writes that are taken before `write` says to hold back; null is no limit. */
  room: number | null = null
  ended: { readonly error: EtcdError | StatusError | undefined } | null = null
  readonly #metadata: Record<string, string>
  #message: (message: Uint8Array) => void = () => {}
  #end: () => void = () => {}
  #close: () => void = () => {}
  #drain: () => void = () => {}

  constructor(metadata: Record<string, string> = {}) {
    this.#metadata = metadata
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    this.#message = listener
  }
  onEnd(listener: () => void): void {
    this.#end = listener
  }
  onClose(listener: () => void): void {
    this.#close = listener
  }
  onDrain(listener: () => void): void {
    this.#drain = listener
  }
  write(message: Uint8Array): boolean {
    this.written.push(message)
    if (this.room === null) return true
    this.room--
    return this.room > 0
  }
  paused = false
  pause(): void {
    this.paused = true
  }
  resume(): void {
    this.paused = false
  }
  end(error?: EtcdError | StatusError): void {
    if (this.ended !== null) return
    this.ended = { error }
    this.#close()
  }
  metadata(name: string): string | undefined {
    return this.#metadata[name]
  }

  send(request: NonNullable<WatchRequest['request_union']>): void {
    this.#message(WatchRequest.encode({ request_union: request }).finish())
  }
  sendRaw(bytes: Uint8Array): void {
    this.#message(bytes)
  }
  halfClose(): void {
    this.#end()
  }
  disconnect(): void {
    this.#close()
  }
  /** The client reads on: room for this many more writes. */
  drain(room: number | null): void {
    this.room = room
    this.#drain()
  }

  create(
    key: string,
    options: Partial<Omit<WatchCreateRequest, 'key' | 'range_end'>> & { range_end?: string } = {},
  ): void {
    const { range_end = '', ...rest } = options
    this.send({
      $case: 'create_request',
      value: {
        start_revision: 0n,
        progress_notify: false,
        filters: [] as WatchCreateRequest_FilterType[],
        prev_kv: false,
        watch_id: 0n,
        fragment: false,
        ...rest,
        key: Buffer.from(key),
        range_end: Buffer.from(range_end),
      },
    })
  }
  cancel(id: bigint): void {
    this.send({ $case: 'cancel_request', value: { watch_id: id } })
  }
  progress(): void {
    this.send({ $case: 'progress_request', value: {} })
  }

  take(): WatchResponse[] {
    return this.written.splice(0).map((bytes) => WatchResponse.decode(bytes))
  }
  /** The responses since the last look, one line each. */
  lines(): string[] {
    return this.take().map(describe)
  }
}

export function describe(response: WatchResponse): string {
  const parts = [`#${response.watch_id}`, `@${response.header?.revision}`]
  if (response.created) parts.push('created')
  if (response.canceled) parts.push('canceled')
  if (response.compact_revision !== 0n) parts.push(`compact=${response.compact_revision}`)
  if (response.cancel_reason !== '') parts.push(`"${response.cancel_reason}"`)
  if (response.fragment) parts.push('fragment')
  for (const event of response.events) {
    const kv = event.kv!
    const what = event.type === Event_EventType.PUT ? 'put' : 'delete'
    const value = kv.value.length > 40 ? `${kv.value.length} bytes` : Buffer.from(kv.value)
    const prev = event.prev_kv === undefined ? '' : ` prev=${Buffer.from(event.prev_kv.value)}`
    parts.push(`${what} ${Buffer.from(kv.key)}${what === 'put' ? `=${value}` : ''} mod=${kv.mod_revision}${prev}`)
  }
  return parts.join(' ')
}

/** Joins a member to the core as a thread would be, with each message under way for some turns. */
function threadMember(core: FakeCore, timers: ManualTimers): ThreadMember {
  const soon = (callback: () => void): void => timers.soon(callback)
  const bridge = new CoreBridge(
    core,
    new CommitEncoder(),
    (message) => timers.soon(() => member.receive(message)),
    soon,
  )
  const known = {
    leader: core.leader(),
    term: core.term(),
    appliedIndex: core.appliedIndex(),
    revision: core.revision(),
    path: '',
  }
  const member = new ThreadMember(core.info, known, {
    post: (message) => timers.soon(() => bridge.receive(message)),
    openReader: () => ({ ...core.state, refresh: () => {}, close: async () => {} }),
    soon,
    nowMs: () => 0,
    closeFailed: (error) => {
      throw error
    },
  })
  return member
}

export function watchHarness(options: { readonly bounds?: Partial<WatchBounds>; readonly threaded?: boolean } = {}) {
  const { threaded = false, ...rest } = options
  const core = new FakeCore()
  const timers = new ManualTimers()
  const member = threaded ? threadMember(core, timers) : new LocalMember(core, core.state)
  const counts = new WatchCounts()
  const service = createWatchService(member, { ...rest, log: silentLog, timers, counts })
  const open = (metadata: Record<string, string> = {}): FakeStream => {
    const stream = new FakeStream(metadata)
    service.serve(stream, liveCall)
    return stream
  }
  const commit: FakeCore['commit'] = (...changes) => {
    core.commit(...changes)
    timers.settle()
  }
  return { core, timers, service, member, open, commit, counts }
}
