import type { Event } from '../../src/wire/gen/kv.ts'
import { WatchResponse } from '../../src/wire/gen/rpc.ts'
import { messageText, withPlainHeaders } from './canonical.ts'
import type { RpcStream } from './rpc-client.ts'
import { mapIntegers } from './symbols.ts'

/** One event as it is compared. */
export interface LoggedEvent {
  readonly revision: bigint
  readonly key: Uint8Array
  readonly isDelete: boolean
  readonly text: string
}

/** What one watch was sent since the log was last emptied. */
interface WatchEvents {
  events: LoggedEvent[]
  lastRevision: bigint
  /** The last response said that the rest of its events comes in the next. */
  inFragments: boolean
}

/**
 * One watch stream at one server, taken apart: the answers to requests in their order, and the events of each watch.
 * How many revisions share a response is left to the server; what it must keep to is checked as the responses come.
 */
export class WatchLog {
  readonly stream: RpcStream
  /** Created, canceled and progress responses. */
  control: { readonly text: string; readonly response: WatchResponse }[] = []
  readonly watches = new Map<bigint, WatchEvents>()
  /** What no server may do, in words. */
  readonly broken: string[] = []
  readonly #named: (id: bigint) => bigint
  #read = 0

  /** @param named turns a lease id of this server into the symbol that stands for it. */
  constructor(stream: RpcStream, named: (id: bigint) => bigint) {
    this.stream = stream
    this.#named = named
  }

  /** Takes in what has come. */
  read(): void {
    for (const bytes of this.stream.received.splice(0)) {
      this.#read++
      this.#take(WatchResponse.decode(bytes))
    }
  }

  /** The number of events for a watch that have come and were not yet compared. */
  eventCount(id: bigint): number {
    return this.watches.get(id)?.events.length ?? 0
  }

  #take(response: WatchResponse): void {
    const { watch_id: id, events } = response
    if (events.length === 0) {
      if (response.created && !response.canceled) {
        this.watches.set(id, { events: [], lastRevision: 0n, inFragments: false })
      }
      this.control.push({ text: messageText(withPlainHeaders(comparable(response))), response })
      return
    }
    const watch = this.watches.get(id)
    if (watch === undefined) {
      this.#breaks(response, 'events for a watch that was not created')
      return
    }
    if (response.created || response.canceled) this.#breaks(response, 'events in an answer to a request')
    const first = events[0]!.kv!.mod_revision
    if (first < watch.lastRevision) this.#breaks(response, `goes back from revision ${watch.lastRevision}`)
    if (first === watch.lastRevision && !watch.inFragments) this.#breaks(response, 'a revision in two responses')
    if (response.header!.revision < events.at(-1)!.kv!.mod_revision) this.#breaks(response, 'events above its header')
    watch.inFragments = response.fragment
    watch.lastRevision = events.at(-1)!.kv!.mod_revision
    for (const event of events) watch.events.push(this.#logged(event))
  }

  #logged(event: Event): LoggedEvent {
    const { type, kv } = event
    const text = messageText(mapIntegers(event, this.#named))
    return { revision: kv!.mod_revision, key: kv!.key, isDelete: type === 1, text }
  }

  #breaks(response: WatchResponse, what: string): void {
    this.broken.push(`response ${this.#read}: ${what}: ${messageText(response).slice(0, 2000)}`)
  }
}

/** etcd ends a watch that starts too early with a header that has no revision. */
function comparable(response: WatchResponse): WatchResponse {
  if (response.compact_revision === 0n) return response
  return { ...response, header: { ...response.header!, revision: 0n } }
}
