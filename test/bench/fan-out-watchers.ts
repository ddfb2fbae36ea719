/**
 * A process of watchers, started by fan-out.ts: opens its watches, then checks that each sees every event once and in
 * order. Speaks with its parent in messages, see `ToWatchers` and `FromWatchers`.
 */
import { WatchRequest } from '../../src/wire/gen/rpc.ts'
import type { Identity } from '../support/certificates.ts'
import { GrpcConnection } from '../support/grpc-connection.ts'

export interface WatchersPlan {
  readonly url: string
  readonly identity: Identity
  readonly connections: number
  readonly watchesPerConnection: number
  readonly key: string
  readonly rangeEnd: string
}

export type ToWatchers = { readonly plan: WatchersPlan } | { readonly expect: number }
export type FromWatchers =
  | { readonly created: number }
  /** Every watch has seen as many events as were expected. */
  | { readonly seen: number }
  | { readonly problem: string }

const tell = (message: FromWatchers): void => void process.send!(message)
const fail = (problem: string): void => tell({ problem })

/** Where reading stands in a message; one object for all, because there are millions of messages. */
const cursor = { at: 0 }

/** Varints up to 2^53; a negative one, which has ten bytes, comes out as some large number. */
function varint(bytes: Uint8Array): number {
  let value = 0
  let scale = 1
  for (;;) {
    const byte = bytes[cursor.at++]!
    value += (byte & 0x7f) * scale
    if (byte < 0x80) return value
    scale *= 128
  }
}

function skip(bytes: Uint8Array, tag: number): void {
  const value = varint(bytes)
  if ((tag & 7) === 2) cursor.at += value
}

/** mvccpb.Event: the revision of its pair. */
function eventRevision(bytes: Uint8Array, end: number): number {
  while (cursor.at < end) {
    const tag = varint(bytes)
    if (tag !== 0x12) {
      skip(bytes, tag)
      continue
    }
    const kvEnd = varint(bytes) + cursor.at
    while (cursor.at < kvEnd) {
      const kvTag = varint(bytes)
      if (kvTag !== 0x18) {
        skip(bytes, kvTag)
        continue
      }
      const revision = varint(bytes)
      cursor.at = end
      return revision
    }
  }
  return 0
}

let created = 0
let total = 0
let expected = 0
let watches = 0
let announced = false

class Watches {
  readonly #last: Float64Array
  readonly #counts: Float64Array

  constructor(count: number) {
    this.#last = new Float64Array(count)
    this.#counts = new Float64Array(count)
  }

  receive(message: Uint8Array): void {
    cursor.at = 0
    let id = 0
    while (cursor.at < message.length) {
      const tag = varint(message)
      if (tag === 0x10) id = varint(message)
      else if (tag === 0x18) created += varint(message)
      else if (tag === 0x20) fail(`watch ${id} was canceled`)
      else if (tag === 0x5a) {
        const revision = eventRevision(message, varint(message) + cursor.at)
        if (revision <= this.#last[id]!) fail(`watch ${id}: revision ${revision} after ${this.#last[id]}`)
        this.#last[id] = revision
        this.#counts[id]!++
        total++
      } else skip(message, tag)
    }
  }

  /** Each event once: as many as there are, in ascending order. */
  check(want: number): void {
    for (const [id, count] of this.#counts.entries())
      if (count !== want) fail(`watch ${id} saw ${count} events of ${want}`)
  }
}

const all: Watches[] = []

function report(): void {
  if (announced || total < expected * watches) return
  announced = true
  for (const one of all) one.check(expected)
  tell({ seen: expected })
}

function start(plan: WatchersPlan): void {
  watches = plan.connections * plan.watchesPerConnection
  for (let n = 0; n < plan.connections; n++) {
    const connection = new GrpcConnection(plan.url, plan.identity)
    const mine = new Watches(plan.watchesPerConnection)
    all.push(mine)
    const call = connection.open(
      '/etcdserverpb.Watch/Watch',
      (message) => {
        const before = created
        mine.receive(message)
        if (created !== before && created === watches) tell({ created })
        if (expected > 0) report()
      },
      (problem) => fail(`a watch stream ended: ${problem}`),
    )
    const request = WatchRequest.encode({
      request_union: {
        $case: 'create_request',
        value: {
          key: Buffer.from(plan.key),
          range_end: Buffer.from(plan.rangeEnd),
          start_revision: 0n,
          progress_notify: false,
          filters: [],
          prev_kv: false,
          watch_id: 0n,
          fragment: false,
        },
      },
    }).finish()
    for (let watch = 0; watch < plan.watchesPerConnection; watch++) call.send(request)
  }
}

process.on('message', (message: ToWatchers) => {
  if ('plan' in message) start(message.plan)
  else {
    expected = message.expect
    announced = false
    report()
  }
})
process.on('disconnect', () => process.exit())
