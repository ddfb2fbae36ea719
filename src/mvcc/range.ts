import type { Revision } from '../base/ids.ts'
import { isEmptyRange, type KeyRange, rangeFromWire } from '../base/key-range.ts'
import { EtcdError } from '../errors.ts'
import { type RangeRequest, RangeRequest_SortOrder, RangeRequest_SortTarget } from '../wire/gen/rpc.ts'
import { Pieces } from '../wire/pieces.ts'
import { checkRange } from '../wire/validate.ts'
import { getCurrentBytes, historyKeyOfCurrent } from './current-record.ts'
import { assertRecord, keyValueFieldOf } from './history-record.ts'
import { currentBounds, isLongCurrentKey } from './key-encoding.ts'
import { getCompactRevision, getLastCompaction, getRevision } from './meta.ts'
import { plannedRange } from './planned-range.ts'
import { countCurrent } from './scan-current.ts'
import { Pace, type Steps } from './steps.ts'
import type { ReadView } from './view.ts'

export interface RangeResult {
  /** Encoded response without its header. */
  readonly body: Pieces
  /** Of the store, for the header. */
  readonly revision: Revision
}

/**
 * Answers a range request from one view.
 *
 * @throws EtcdError emptyKey, invalidSortOption, compacted, futureRevision
 * @source etcd 3.4 behaviour, except that an unknown sort enum is refused, as in 3.6.
 */
export function* range(view: ReadView, request: RangeRequest): Steps<RangeResult> {
  checkRange(request)
  const latest = getRevision(view)
  const revision = checkedRevision(view, request, latest)
  return { body: yield* rangeBody(view, request, revision, latest), revision: latest }
}

/**
 * The revision that a request asks for; 0 or less stands for the latest.
 *
 * @throws EtcdError compacted, futureRevision
 */
export function checkedRevision(view: ReadView, request: RangeRequest, latest: Revision): Revision {
  if (request.revision <= 0n) return latest
  if (request.revision > latest) throw new EtcdError('futureRevision')
  if (request.revision < getCompactRevision(view)) throw new EtcdError('compacted')
  return Number(request.revision)
}

/**
 * What a range inside a transaction asks for, before the first write of the transaction. There etcd takes a negative
 * revision for one that is compacted; while nothing is, only -1 is readable.
 *
 * @throws EtcdError compacted, futureRevision
 */
export function checkRevisionInTxn(view: ReadView, request: RangeRequest, latest: Revision): void {
  if (request.revision < 0n && request.revision < getLastCompaction(view)) throw new EtcdError('compacted')
  checkedRevision(view, request, latest)
}

/**
 * @param request already checked.
 * @param revision to read at, already checked.
 * @param latest newest revision in the view, with the changes of the transaction it belongs to.
 */
export function* rangeBody(view: ReadView, request: RangeRequest, revision: Revision, latest: Revision): Steps<Pieces> {
  const isHot = revision >= latest && isPlain(request)
  if (isHot && request.range_end.length === 0) return point(view, request.key)
  const keys = rangeFromWire(request.key, request.range_end)
  if (isHot) {
    const body = yield* plain(view, keys, request.limit > 0n ? Number(request.limit) : Number.POSITIVE_INFINITY)
    if (body !== null) return body
  }
  return yield* plannedRange(view, request, keys, revision >= latest ? null : revision)
}

/** Nothing asked but pairs in key order: the hot path. */
const isPlain = (request: RangeRequest): boolean =>
  request.sort_order !== RangeRequest_SortOrder.DESCEND &&
  request.sort_target === RangeRequest_SortTarget.KEY &&
  !request.count_only &&
  !request.keys_only &&
  request.min_mod_revision === 0n &&
  request.max_mod_revision === 0n &&
  request.min_create_revision === 0n &&
  request.max_create_revision === 0n

/** `count` = 1, the end of a response with one pair. */
const countOfOne = Uint8Array.of(0x20, 1)

function point(view: ReadView, key: Uint8Array): Pieces {
  const body = new Pieces()
  const record = getCurrentBytes(view, key)
  if (record === undefined) return body
  body.add(fieldOf(view, record))
  body.add(countOfOne)
  return body
}

/** @returns null if long keys are in the way, which need sorting first. */
function* plain(view: ReadView, keys: KeyRange, limit: number): Steps<Pieces | null> {
  const body = new Pieces()
  if (isEmptyRange(keys)) return body
  const bounds = currentBounds(keys)
  if (!bounds.exact) return null
  const pace = new Pace()
  let count = 0
  let more = false
  let told = 0
  for (const [row, record] of view.scan('current', bounds)) {
    if (isLongCurrentKey(row)) {
      yield -told
      return null
    }
    if (count === limit) {
      more = true
      break
    }
    const field = fieldOf(view, record)
    body.add(field)
    count++
    if (!pace.isOver(field.length, field.length)) continue
    body.pack()
    const held = pace.next()
    told += held
    yield held
  }
  body.addNumber(0x18, more ? 1 : 0)
  body.addNumber(0x20, more ? yield* countCurrent(view, keys) : count)
  return body
}

const fieldOf = (view: ReadView, record: Uint8Array): Uint8Array =>
  keyValueFieldOf(assertRecord(view.get('history', historyKeyOfCurrent(record))))
