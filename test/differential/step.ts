import {
  CompactionRequest,
  CompactionResponse,
  DeleteRangeRequest,
  DeleteRangeResponse,
  LeaseGrantRequest,
  LeaseGrantResponse,
  LeaseLeasesRequest,
  LeaseLeasesResponse,
  LeaseRevokeRequest,
  LeaseRevokeResponse,
  LeaseTimeToLiveRequest,
  LeaseTimeToLiveResponse,
  PutRequest,
  PutResponse,
  RangeRequest,
  RangeResponse,
  TxnRequest,
  TxnResponse,
  type WatchRequest,
} from '../../src/wire/gen/rpc.ts'

/** The unary methods under test. `isRead`: changes nothing, so that several may be under way together. */
export const methods = {
  Range: { service: 'KV', request: RangeRequest, response: RangeResponse, isRead: true },
  Put: { service: 'KV', request: PutRequest, response: PutResponse, isRead: false },
  DeleteRange: { service: 'KV', request: DeleteRangeRequest, response: DeleteRangeResponse, isRead: false },
  Txn: { service: 'KV', request: TxnRequest, response: TxnResponse, isRead: false },
  Compact: { service: 'KV', request: CompactionRequest, response: CompactionResponse, isRead: false },
  LeaseGrant: { service: 'Lease', request: LeaseGrantRequest, response: LeaseGrantResponse, isRead: false },
  LeaseRevoke: { service: 'Lease', request: LeaseRevokeRequest, response: LeaseRevokeResponse, isRead: false },
  LeaseTimeToLive: {
    service: 'Lease',
    request: LeaseTimeToLiveRequest,
    response: LeaseTimeToLiveResponse,
    isRead: true,
  },
  LeaseLeases: { service: 'Lease', request: LeaseLeasesRequest, response: LeaseLeasesResponse, isRead: true },
} as const

export type MethodName = keyof typeof methods
type RequestOf<M extends MethodName> = ReturnType<(typeof methods)[M]['request']['decode']>

export const pathOf = (method: MethodName): string => `/etcdserverpb.${methods[method].service}/${method}`

export type Call = {
  [M in MethodName]: { readonly kind: 'call'; readonly method: M; readonly message: RequestOf<M> }
}[MethodName]

/** A message for a unary method that may be no message at all. */
export interface BytesCall {
  readonly kind: 'bytes'
  readonly method: MethodName
  readonly bytes: Uint8Array
}

/** Renewals that are sent without waiting for each other's answers. */
export interface KeepAlive {
  readonly kind: 'keepAlive'
  readonly ids: readonly bigint[]
}

/** A request on one of the numbered watch streams, which is opened if it is not. */
export interface Watch {
  readonly kind: 'watch'
  readonly stream: number
  readonly request: NonNullable<WatchRequest['request_union']>
}

/** A message on a watch stream that is none. */
export interface WatchBytes {
  readonly kind: 'watchBytes'
  readonly stream: number
  readonly bytes: Uint8Array
}

/** The client goes; nothing is answered. */
export interface CloseWatch {
  readonly kind: 'closeWatch'
  readonly stream: number
}

/** Every watch has to have been sent everything before the next step. */
export interface Settle {
  readonly kind: 'settle'
}

/** The keys of a lease that runs out are deleted by the server alone: waits for the revision in which it happens. */
export interface AwaitExpiry {
  readonly kind: 'awaitExpiry'
}

export type Step = Call | BytesCall | KeepAlive | Watch | WatchBytes | CloseWatch | Settle | AwaitExpiry

/** Whether the step is a request, as opposed to a pause. */
export const isRequest = (step: Step): boolean => step.kind !== 'settle' && step.kind !== 'awaitExpiry'

export const isRead = (step: Step): boolean =>
  (step.kind === 'call' || step.kind === 'bytes') && methods[step.method].isRead
