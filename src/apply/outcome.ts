import type { LeaseId, Revision } from '../base/ids.ts'
import type { EtcdErrorReason } from '../errors.ts'

/**
 * The verdict on one write, the same on every member. `body` is the encoded response message without its header
 * (field 1 of every response), which the serving side puts in front: header bytes + body is the response.
 *
 * One verdict is of the member alone that was to answer, and of a write that was done: responseTooLarge.
 */
export type Outcome =
  | { readonly ok: true; readonly revision: Revision; readonly body: Uint8Array }
  | { readonly ok: false; readonly revision: Revision; readonly reason: EtcdErrorReason }

/** One change of one key, in revision order; all events of a main revision come in one batch. */
export interface WatchEvent {
  readonly main: Revision
  readonly sub: number
  readonly type: 'put' | 'delete'
  readonly key: Uint8Array
  /** Put that created the key: a creation has no prev_kv. */
  readonly created: boolean
  /** Where the superseded version stands in `history`; null if there was none. */
  readonly previous: { readonly main: Revision; readonly sub: number } | null
  /** Encoded mvccpb.Event fields `type` and `kv`; `prev_kv` (field 3) may be appended. */
  readonly encoded: Uint8Array
}

/** What the leader's lessor must hear of. */
export type LeaseChange =
  | { readonly kind: 'granted'; readonly id: LeaseId; readonly ttlSeconds: number }
  | { readonly kind: 'revoked'; readonly id: LeaseId }
  /** 0 seconds: an earlier checkpoint is taken back. */
  | { readonly kind: 'checkpointed'; readonly id: LeaseId; readonly remainingSeconds: number }

/** What became visible with one commit of the state store. */
export interface CommittedBatch {
  readonly appliedIndex: number
  readonly revision: Revision
  readonly compactRevision: Revision
  readonly events: readonly WatchEvent[]
  /** The whole state was replaced by a snapshot: `events` is empty and watchers must catch up from history. */
  readonly replaced: boolean
  /** Who may do what, or which tokens are good, is not as before. Absent: it is, unless the state was replaced. */
  readonly rulesChanged?: boolean
}
