import { emptyBytes } from '../base/bytes.ts'
import { type Event, Event_EventType } from '../wire/gen/kv.ts'
import { type WatchCreateRequest, WatchRequest, WatchResponse } from '../wire/gen/rpc.ts'
import type { Call } from './call.ts'
import type { MessageStream } from './stream.ts'

export interface WatchHandler {
  /** Serves one Watch call until it is over. */
  serve(stream: MessageStream, call: Call): void
}

export interface OwnWatchListener {
  /** @returns false to be sent no more until `drain`, up to what is on its way. */
  response(response: WatchResponse): boolean
  /** The watch ended by itself; with an error unless this member chose to. */
  ended(error: Error | undefined): void
}

/** What to watch: a key, or a range up to `end`. */
export interface WatchedKeys {
  readonly key: Uint8Array
  readonly end?: Uint8Array
}

/**
 * A Watch call that the member makes to itself, on behalf of a caller that waits: it is served, limited and authorized
 * like any other.
 */
export class OwnWatch implements MessageStream {
  readonly #listener: OwnWatchListener
  readonly #metadata: (name: string) => string | undefined
  #onMessage: (message: Uint8Array) => void = () => {}
  readonly #onClose: (() => void)[] = []
  readonly #onDrain: (() => void)[] = []
  #closed = false

  constructor(listener: OwnWatchListener, metadata: (name: string) => string | undefined = () => undefined) {
    this.#listener = listener
    this.#metadata = metadata
  }

  /** @param call on whose behalf. @param startRevision first revision of interest. Watches are numbered from 0 in their order here. */
  start(watch: WatchHandler, call: Call, keys: readonly WatchedKeys[], startRevision: bigint): void {
    watch.serve(this, call)
    for (const { key, end } of keys) {
      if (this.#closed) return
      const request: WatchCreateRequest = {
        key,
        range_end: end ?? emptyBytes,
        start_revision: startRevision,
        progress_notify: false,
        filters: [],
        prev_kv: false,
        watch_id: 0n,
        fragment: false,
      }
      this.#onMessage(WatchRequest.encode({ request_union: { $case: 'create_request', value: request } }).finish())
    }
  }

  /** The listener takes more again. */
  drain(): void {
    for (const listener of this.#onDrain) listener()
  }

  /** Repeatable. Nothing is heard from it after. */
  close(): void {
    if (this.#closed) return
    this.#closed = true
    for (const listener of this.#onClose.splice(0)) listener()
  }

  onMessage(listener: (message: Uint8Array) => void): void {
    this.#onMessage = listener
  }

  onEnd(): void {}

  onClose(listener: () => void): void {
    this.#onClose.push(listener)
  }

  onDrain(listener: () => void): void {
    this.#onDrain.push(listener)
  }

  write(message: Uint8Array): boolean {
    return this.#closed || this.#listener.response(WatchResponse.decode(message))
  }

  end(error?: Error): void {
    if (this.#closed) return
    this.close()
    this.#listener.ended(error)
  }

  metadata(name: string): string | undefined {
    return this.#metadata(name)
  }
}

export const isDeletion = (event: Event): boolean => event.type === Event_EventType.DELETE
