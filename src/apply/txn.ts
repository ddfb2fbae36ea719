import { assert } from '../base/assert.ts'
import type { Revision } from '../base/ids.ts'
import { getRevision } from '../mvcc/meta.ts'
import { checkedRevision, checkRevisionInTxn, type RangeResult, rangeBody } from '../mvcc/range.ts'
import { allAtOnce, type Steps } from '../mvcc/steps.ts'
import type { ReadView } from '../mvcc/view.ts'
import { type Mutation, revisionWithin } from '../mvcc/write.ts'
import type { RangeRequest, RequestOp, TxnRequest } from '../wire/gen/rpc.ts'
import type { Pieces } from '../wire/pieces.ts'
import { OpField, TxnBody } from '../wire/responses.ts'
import { checkTxn } from '../wire/validate.ts'
import { holds } from './compare.ts'
import { checkPutAgainst, executeDeleteRange, executePut } from './write-ops.ts'

/** The branch that a transaction takes, decided for it and all transactions nested in that branch before any write. */
interface Path {
  readonly succeeded: boolean
  readonly steps: readonly Step[]
}
interface Step {
  readonly op: RequestOp
  /** The path of a nested transaction. */
  readonly nested: Path | null
}

/**
 * Runs a transaction: all compares see the state before it, its writes share one revision, its ranges see the writes
 * before them. Everything that can fail is checked before the first write.
 *
 * @returns the encoded TxnResponse without header; null if not wanted.
 * @throws EtcdError what `checkTxn`, a put and a range may throw; then nothing is written.
 */
export function executeTxn(mutation: Mutation, request: TxnRequest, wanted: boolean): Uint8Array | null {
  checkTxn(request)
  const path = allAtOnce(choosePath(mutation.view, request))
  checkPuts(mutation.view, path)
  checkRanges(mutation.view, path, mutation.main - 1)
  const body = wanted ? new TxnBody(path.succeeded) : null
  runPath(mutation, path, body)
  return body === null ? null : body.pieces.join()
}

/** Whether a transaction has top-level ranges only, so that it can be answered without the log. */
export function isReadOnlyTxn(request: TxnRequest): boolean {
  return request.success.every(isRange) && request.failure.every(isRange)
}
const isRange = (op: RequestOp): boolean => op.request?.$case === 'request_range'

/**
 * Answers a read-only transaction (`isReadOnlyTxn`, and accepted by `checkTxn`) from one view.
 *
 * @throws EtcdError compacted, futureRevision
 */
export function* readOnlyTxn(view: ReadView, request: TxnRequest): Steps<RangeResult> {
  const latest = getRevision(view)
  const path = yield* choosePath(view, request)
  checkRanges(view, path, latest)
  const body = new TxnBody(path.succeeded)
  for (const { op } of path.steps) {
    assert(op.request?.$case === 'request_range', 'a read-only transaction writes')
    body.add(OpField.range, latest, yield* rangeBodyAt(view, op.request.value, latest))
  }
  return { body: body.pieces, revision: latest }
}

function* choosePath(view: ReadView, request: TxnRequest): Steps<Path> {
  let succeeded = true
  for (const compare of request.compare) {
    succeeded = yield* holds(view, compare)
    if (!succeeded) break
  }
  const steps: Step[] = []
  for (const op of succeeded ? request.success : request.failure) {
    const nested = op.request?.$case === 'request_txn' ? yield* choosePath(view, op.request.value) : null
    steps.push({ op, nested })
  }
  return { succeeded, steps }
}

function checkPuts(view: ReadView, path: Path): void {
  for (const { op, nested } of path.steps) {
    if (nested !== null) checkPuts(view, nested)
    else if (op.request?.$case === 'request_put') checkPutAgainst(view, op.request.value, 'inTxn')
  }
}

function checkRanges(view: ReadView, path: Path, latest: Revision): void {
  for (const { op, nested } of path.steps) {
    if (nested !== null) checkRanges(view, nested, latest)
    else if (op.request?.$case === 'request_range') checkRevisionInTxn(view, op.request.value, latest)
  }
}

function runPath(mutation: Mutation, path: Path, body: TxnBody | null): void {
  for (const { op, nested } of path.steps) {
    const request = op.request
    assert(request !== undefined, 'an operation without content passed the checks')
    switch (request.$case) {
      case 'request_range': {
        if (body === null) break
        const latest = revisionWithin(mutation)
        body.add(OpField.range, latest, allAtOnce(rangeBodyAt(mutation.view, request.value, latest)))
        break
      }
      case 'request_put': {
        const result = executePut(mutation, request.value, body !== null)
        body?.add(OpField.put, result.revision, result.body)
        break
      }
      case 'request_delete_range': {
        const result = executeDeleteRange(mutation, request.value, body !== null)
        body?.add(OpField.deleteRange, result.revision, result.body)
        break
      }
      case 'request_txn': {
        assert(nested !== null, 'a nested transaction has no path')
        const nestedBody = body === null ? null : new TxnBody(nested.succeeded)
        runPath(mutation, nested, nestedBody)
        if (nestedBody !== null) body?.addNested(nestedBody)
        break
      }
    }
  }
}

const rangeBodyAt = (view: ReadView, request: RangeRequest, latest: Revision): Steps<Pieces> =>
  rangeBody(view, request, checkedRevision(view, request, latest), latest)
