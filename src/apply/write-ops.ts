import { emptyBytes } from '../base/bytes.ts'
import { leaseId, type Revision } from '../base/ids.ts'
import { rangeFromWire } from '../base/key-range.ts'
import { EtcdError } from '../errors.ts'
import { hasLease } from '../lease/records.ts'
import { type CurrentRecord, getCurrentBytes } from '../mvcc/current-record.ts'
import { Pace, type Steps } from '../mvcc/steps.ts'
import type { ReadView } from '../mvcc/view.ts'
import { deleteRange, type Mutation, put, revisionWithin, storedKeyValueField } from '../mvcc/write.ts'
import type { DeleteRangeRequest, PutRequest } from '../wire/gen/rpc.ts'
import { deleteRangeBody, putBody } from '../wire/responses.ts'
import type { AnswerRoom } from './answer-room.ts'

/** What an operation inside or outside a transaction leaves behind. */
export interface OpResult {
  /** Response without header; empty if nobody wants it. */
  readonly body: Uint8Array
  readonly revision: Revision
}

/** `body` is null if it takes more than there is room for: the deletion is done all the same. */
export interface DeletionResult {
  readonly body: Uint8Array | null
  readonly revision: Revision
}

/**
 * What a put needs of the state before it. Outside a transaction a missing lease is named first, inside a missing key,
 * as in etcd.
 *
 * @throws EtcdError leaseNotFound, keyNotFound
 */
export function checkPutAgainst(view: ReadView, request: PutRequest, where: 'alone' | 'inTxn'): void {
  if (where === 'alone') requireLease(view, request)
  if ((request.ignore_value || request.ignore_lease) && getCurrentBytes(view, request.key) === undefined) {
    throw new EtcdError('keyNotFound')
  }
  if (where === 'inTxn') requireLease(view, request)
}

function requireLease(view: ReadView, { lease }: PutRequest): void {
  if (lease !== 0n && !hasLease(view, leaseId(lease))) throw new EtcdError('leaseNotFound')
}

/** The request has passed all checks. */
export function executePut(mutation: Mutation, request: PutRequest, wanted: boolean): OpResult {
  const before = put(mutation, {
    key: request.key,
    value: request.ignore_value ? null : request.value,
    lease: request.ignore_lease ? null : leaseId(request.lease),
  })
  const previous = wanted && request.prev_kv && before !== undefined ? storedKeyValueField(mutation.view, before) : null
  return { body: putBody(previous), revision: mutation.main }
}

/** The request has passed all checks. @param room for the answer; null: nobody wants it. */
export function executeDeleteRange(
  mutation: Mutation,
  request: DeleteRangeRequest,
  room: AnswerRoom | null,
): DeletionResult {
  const deleted = deleteRange(mutation, rangeFromWire(request.key, request.range_end))
  const revision = revisionWithin(mutation)
  if (room === null) return { body: emptyBytes, revision }
  const previous = request.prev_kv ? room.read(previousOf(mutation, deleted)) : []
  return { body: previous === null ? null : deleteRangeBody(deleted.length, previous), revision }
}

function* previousOf({ view }: Mutation, deleted: readonly CurrentRecord[]): Steps<readonly Uint8Array[]> {
  const fields: Uint8Array[] = []
  const pace = new Pace()
  for (const record of deleted) {
    const field = storedKeyValueField(view, record)
    fields.push(field)
    if (pace.isOver(field.length, field.length)) yield pace.next()
  }
  return fields
}
