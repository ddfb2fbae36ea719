import type { Revision } from '../base/ids.ts'
import { EtcdError } from '../errors.ts'
import { historyKey, isDeletion, keyOfRecord, positionOfHistory, previousOf } from './history-record.ts'
import {
  getCompactionProgress,
  getCompactRevision,
  getLastCompaction,
  type Position,
  putCompactionProgress,
  putCompactRevision,
} from './meta.ts'
import { removeOld } from './old-record.ts'
import type { ReadView, WriteView } from './view.ts'

/**
 * Makes revisions below `revision` unreadable, at once and on every member alike. What they held is removed later by
 * `compactBatch`, at each member's own pace.
 *
 * @param latest newest revision of the view.
 * @throws EtcdError compacted, futureRevision
 */
export function compact(view: WriteView, revision: Revision, latest: Revision): void {
  if (revision <= getLastCompaction(view)) throw new EtcdError('compacted')
  if (revision > latest) throw new EtcdError('futureRevision')
  putCompactRevision(view, revision)
}

/** A removal found by reading, carried out after the scan: a view must not change under its iteration. */
interface Removal {
  readonly position: Position
  readonly key: Uint8Array
}

/**
 * One step of removing what the compaction revision C has made unreadable: walks the changes from the last finished
 * compaction up to C and removes each version that a change replaced or deleted, and deletions before C. A deletion at
 * C stays until the next compaction, so that a watch from C still sees it (and the walk begins at the previous C for
 * that reason). Each step is complete in itself: how far it came is in the same transaction as the removals. It ends
 * between two revisions, because deletions already passed over at a C that has grown since would be forgotten else.
 *
 * @param changesMax changes after which to stop; a single revision may have more.
 */
export function compactBatch(view: WriteView, changesMax: number): 'done' | 'more' {
  const target = getCompactRevision(view)
  const { finished, next } = getCompactionProgress(view)
  if (finished >= target) return 'done'
  const { removals, stoppedAt } = findRemovals(view, next, target, changesMax)
  for (const { position, key } of removals) {
    view.remove('history', historyKey(position))
    removeOld(view, key, position.main)
  }
  if (stoppedAt === null) putCompactionProgress(view, { finished: target, next: target })
  else putCompactionProgress(view, { finished, next: stoppedAt })
  return stoppedAt === null ? 'done' : 'more'
}

function findRemovals(
  view: ReadView,
  from: Revision,
  target: Revision,
  changesMax: number,
): { removals: Removal[]; stoppedAt: Revision | null } {
  const removals: Removal[] = []
  let seen = 0
  let last = from
  const bounds = { start: historyKey({ main: from, sub: 0 }), end: historyKey({ main: target + 1, sub: 0 }) }
  for (const [row, bytes] of view.scan('history', bounds)) {
    const position = positionOfHistory(row)
    if (seen >= changesMax && position.main !== last) return { removals, stoppedAt: position.main }
    seen++
    last = position.main
    const previous = previousOf(bytes)
    const obsolete = isDeletion(bytes) && position.main < target
    if (previous === null && !obsolete) continue
    const key = keyOfRecord(bytes)
    if (previous !== null) removals.push({ position: previous, key })
    if (obsolete) removals.push({ position, key })
  }
  return { removals, stoppedAt: null }
}
