import { readFileSync } from 'node:fs'
import { credentials } from '@grpc/grpc-js'
import { type Event, Event_EventType, type KeyValue } from '../../src/wire/gen/kv.ts'
import {
  CompactionRequest,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseKeepAliveRequest,
  RangeRequest,
  RangeResponse,
  type RequestOp,
  StatusResponse,
  TxnRequest,
  TxnResponse,
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from '../../src/wire/gen/rpc.ts'
import type { Identity } from './certificates.ts'
import { RawClient } from './grpc-harness.ts'

const bytes = (text: string): Uint8Array => Buffer.from(text)
const nothing = new Uint8Array(0)
/** All fields at their defaults. */
const plainRange = RangeRequest.decode(nothing)

/** The end of the keys that begin with `prefix`, which ends in a slash. */
const endOf = (prefix: string): Uint8Array => bytes(prefix.replace(/\/$/, '0'))

const metadata = { 'client-api-version': '3.6' }

export const compactionKey = 'compact_rev_key'

/** What a transaction left behind. */
export interface Written {
  readonly succeeded: boolean
  readonly revision: bigint
  /** What is there instead, if it failed and asked. */
  readonly found: KeyValue | undefined
}

export interface ListOptions {
  readonly limit?: number
  readonly revision?: bigint
  /** The last key of the page before. */
  readonly after?: string
  readonly countOnly?: boolean
  readonly keysOnly?: boolean
}

/**
 * One connection of an API server's to one endpoint, asking as its storage layer asks: these shapes and no others.
 *
 * @source k8s.io/apiserver pkg/storage/etcd3: store.go, watcher.go, compact.go, lease_manager.go.
 */
export class KubernetesStorage implements Disposable {
  readonly #client: RawClient

  constructor(clientUrl: string, { caFile, certFile, keyFile }: Identity) {
    const creds = credentials.createSsl(readFileSync(caFile), readFileSync(keyFile), readFileSync(certFile))
    this.#client = new RawClient(Number(new URL(clientUrl).port), creds, {
      'grpc.ssl_target_name_override': 'localhost',
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 500,
      'grpc.max_send_message_length': 2 * 1024 * 1024,
    })
  }

  async status(): Promise<StatusResponse> {
    return StatusResponse.decode(await this.#unary('Maintenance/Status', nothing))
  }

  async get(key: string, limit = 1): Promise<RangeResponse> {
    const request = { ...plainRange, key: bytes(key), limit: BigInt(limit) }
    return RangeResponse.decode(await this.#unary('KV/Range', RangeRequest.encode(request).finish()))
  }

  async list(prefix: string, options: ListOptions = {}): Promise<RangeResponse> {
    const request = {
      ...plainRange,
      key: bytes(options.after === undefined ? prefix : `${options.after}\0`),
      range_end: endOf(prefix),
      limit: BigInt(options.limit ?? 0),
      revision: options.revision ?? 0n,
      count_only: options.countOnly ?? false,
      keys_only: options.keysOnly ?? false,
    }
    return RangeResponse.decode(await this.#unary('KV/Range', RangeRequest.encode(request).finish()))
  }

  create(key: string, value: string, lease = 0n): Promise<Written> {
    return this.#txn(key, { revision: 0n }, putOp(key, value, lease), null)
  }

  /** `GuaranteedUpdate`: an object at the revision it was read at; 0n if there was none. */
  update(key: string, revision: bigint, value: string, lease = 0n): Promise<Written> {
    return this.#txn(key, { revision }, putOp(key, value, lease), getOp(key))
  }

  delete(key: string, revision: bigint): Promise<Written> {
    const request = { key: bytes(key), range_end: nothing, prev_kv: false }
    return this.#txn(key, { revision }, { request: { $case: 'request_delete_range', value: request } }, getOp(key))
  }

  /** The compactors of several API servers agree by this on who compacts. */
  turnToCompact(version: bigint, revision: bigint): Promise<Written> {
    return this.#txn(compactionKey, { version }, putOp(compactionKey, String(revision), 0n), getOp(compactionKey))
  }

  async compact(revision: bigint): Promise<void> {
    await this.#unary('KV/Compact', CompactionRequest.encode({ revision, physical: false }).finish())
  }

  async grant(ttlSeconds: number): Promise<bigint> {
    const request = LeaseGrantRequest.encode({ ID: 0n, TTL: BigInt(ttlSeconds) }).finish()
    return LeaseGrantResponse.decode(await this.#unary('Lease/LeaseGrant', request)).ID
  }

  /** Renews a lease until disposed of, once or more often. An API server does not: it lets them run out. */
  keepAlive(ID: bigint): Disposable {
    const call = this.#client.bidi('/etcdserverpb.Lease/LeaseKeepAlive', metadata)
    call.on('error', () => {}).resume()
    const timer = setInterval(() => call.write(Buffer.from(LeaseKeepAliveRequest.encode({ ID }).finish())), 500)
    return {
      [Symbol.dispose]: () => {
        clearInterval(timer)
        call.cancel()
      },
    }
  }

  /** @param requireLeader as the watch cache does. */
  watches(requireLeader = false): KubernetesWatches {
    const more = requireLeader ? { hasleader: 'true' } : {}
    return new KubernetesWatches(this.#client.bidi('/etcdserverpb.Watch/Watch', { ...metadata, ...more }))
  }

  [Symbol.dispose](): void {
    this.#client[Symbol.dispose]()
  }

  #unary(method: string, request: Uint8Array): Promise<Buffer> {
    return this.#client.unary(`/etcdserverpb.${method}`, request, metadata, 20_000)
  }

  async #txn(
    key: string,
    expected: { readonly revision: bigint } | { readonly version: bigint },
    success: RequestOp,
    failure: RequestOp | null,
  ): Promise<Written> {
    const compare =
      'revision' in expected
        ? { target: 2 as const, target_union: { $case: 'mod_revision' as const, value: expected.revision } }
        : { target: 0 as const, target_union: { $case: 'version' as const, value: expected.version } }
    const request = {
      compare: [{ ...compare, result: 0 as const, key: bytes(key), range_end: nothing }],
      success: [success],
      failure: failure === null ? [] : [failure],
    }
    const response = TxnResponse.decode(await this.#unary('KV/Txn', TxnRequest.encode(request).finish()))
    const instead = response.responses[0]?.response
    return {
      succeeded: response.succeeded,
      revision: response.header!.revision,
      found: instead?.$case === 'response_range' ? instead.value.kvs[0] : undefined,
    }
  }
}

const getOp = (key: string): RequestOp => ({
  request: { $case: 'request_range', value: { ...plainRange, key: bytes(key) } },
})

const putOp = (key: string, value: string, lease: bigint): RequestOp => ({
  request: {
    $case: 'request_put',
    value: { key: bytes(key), value: bytes(value), lease, prev_kv: false, ignore_value: false, ignore_lease: false },
  },
})

export const isDelete = (event: Event): boolean => event.type === Event_EventType.DELETE

/** One stream with the watches of one client; all that comes is kept, in order. */
export class KubernetesWatches implements Disposable {
  readonly #call
  readonly responses: WatchResponse[] = []
  /** How the stream ended. */
  ended: { readonly code: number; readonly details: string } | null = null

  constructor(call: ReturnType<RawClient['bidi']>) {
    this.#call = call
    call.on('data', (message: Buffer) => this.responses.push(WatchResponse.decode(message)))
    call.on('error', () => {})
    call.on('status', ({ code, details }) => {
      this.ended = { code, details }
    })
  }

  /** @param progressNotify as the watch cache asks. */
  watch(prefix: string, startRevision: bigint, { progressNotify = true, prevKv = true, single = false } = {}): void {
    const value: WatchCreateRequest = {
      ...WatchCreateRequest.decode(nothing),
      key: bytes(prefix),
      range_end: single ? nothing : endOf(prefix),
      start_revision: startRevision,
      prev_kv: prevKv,
      progress_notify: progressNotify,
    }
    this.#send({ request_union: { $case: 'create_request', value } })
  }

  cancel(id: bigint): void {
    this.#send({ request_union: { $case: 'cancel_request', value: { watch_id: id } } })
  }

  requestProgress(): void {
    this.#send({ request_union: { $case: 'progress_request', value: {} } })
  }

  get events(): Event[] {
    return this.responses.flatMap((response) => response.events)
  }

  get progress(): WatchResponse[] {
    return this.responses.filter(({ watch_id, events }) => watch_id === -1n && events.length === 0)
  }

  [Symbol.dispose](): void {
    this.#call.cancel()
  }

  #send(request: WatchRequest): void {
    this.#call.write(Buffer.from(WatchRequest.encode(request).finish()))
  }
}
