import { assert } from '../base/assert.ts'
import { emptyBytes } from '../base/bytes.ts'
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
import type { AnswerRoom } from './answer-room.ts'
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
 * @param room for the answer; null: nobody wants it.
 * @returns the encoded TxnResponse without header, empty if nobody wants it; null if it takes more than there is room for.
 * @throws EtcdError what `checkTxn`, a put and a range may throw; then nothing is written.
 */
export function executeTxn(mutation: Mutation, request: TxnRequest, room: AnswerRoom | null): Uint8Array | null {
  checkTxn(request)
  const path = allAtOnce(choosePath(mutation.view, request))
  checkPuts(mutation.view, path)
  checkRanges(mutation.view, path, mutation.main - 1)
  if (room === null) {
    runPath(mutation, path, null)
    return emptyBytes
  }
  const answer = { body: new TxnBody(path.succeeded), room }
  return runPath(mutation, path, answer) ? answer.body.pieces.join() : null
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

/** An answer in the making. */
interface TxnAnswer {
  readonly body: TxnBody
  readonly room: AnswerRoom
}

/** @returns whether there was room for all of the answer; the writes are done all the same. */
function runPath(mutation: Mutation, path: Path, wanted: TxnAnswer | null): boolean {
  let answer = wanted
  for (const { op, nested } of path.steps) {
    const request = op.request
    assert(request !== undefined, 'an operation without content passed the checks')
    switch (request.$case) {
      case 'request_range': {
        if (answer === null) break
        const latest = revisionWithin(mutation)
        const found = answer.room.read(rangeBodyAt(mutation.view, request.value, latest))
        if (found === null) answer = null
        else answer.body.add(OpField.range, latest, found)
        break
      }
      case 'request_put': {
        const result = executePut(mutation, request.value, answer !== null)
        answer?.body.add(OpField.put, result.revision, result.body)
        break
      }
      case 'request_delete_range': {
        const { body, revision } = executeDeleteRange(mutation, request.value, answer === null ? null : answer.room)
        if (body === null) answer = null
        else answer?.body.add(OpField.deleteRange, revision, body)
        break
      }
      case 'request_txn': {
        assert(nested !== null, 'a nested transaction has no path')
        const inner: TxnAnswer | null = answer && { body: new TxnBody(nested.succeeded), room: answer.room }
        const fits = runPath(mutation, nested, inner)
        if (inner !== null && fits) answer?.body.addNested(inner.body)
        else answer = null
        break
      }
    }
  }
  return answer !== null || wanted === null
}

const rangeBodyAt = (view: ReadView, request: RangeRequest, latest: Revision): Steps<Pieces> =>
  rangeBody(view, request, checkedRevision(view, request, latest), latest)
