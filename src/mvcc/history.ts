import type { WatchEvent } from '../apply/outcome.ts'
import type { Revision } from '../base/ids.ts'
import { keyValueOfField } from '../wire/key-value.ts'
import { assertRecord, decodeEvent, historyKey, keyValueFieldOf } from './history-record.ts'
import { getCompactRevision } from './meta.ts'
import type { ReadView } from './view.ts'

/** All changes with main revisions `from` to `to`, both included, in order. The caller has checked for compaction. */
export function* scanEvents(view: ReadView, from: Revision, to: Revision): Generator<WatchEvent> {
  const bounds = { start: historyKey({ main: from, sub: 0 }), end: historyKey({ main: to + 1, sub: 0 }) }
  for (const [row, bytes] of view.scan('history', bounds)) yield decodeEvent(row, bytes)
}

export interface HistoryStep {
  /** Whole revisions only. */
  readonly events: readonly WatchEvent[]
  /** The first revision that was not read: `to + 1` when all was. */
  readonly next: Revision
}

/**
 * A bounded step through the changes from revision `from` to `to`, both included. At least one revision is read, whole,
 * however large it is. The caller has checked `from` against the compaction revision of the same view.
 *
 * @param bounds most revisions with changes, and the bytes of encoded events at which to stop.
 */
export function readEvents(
  view: ReadView,
  from: Revision,
  to: Revision,
  bounds: { readonly revisionsMax: number; readonly bytesMax: number },
): HistoryStep {
  const events: WatchEvent[] = []
  let bytes = 0
  let revisions = 0
  let last = 0
  for (const event of scanEvents(view, from, to)) {
    if (event.main !== last) {
      if (revisions > 0 && (revisions >= bounds.revisionsMax || bytes >= bounds.bytesMax)) {
        return { events, next: event.main }
      }
      revisions++
      last = event.main
    }
    events.push(event)
    bytes += event.encoded.length
  }
  return { events, next: to + 1 }
}

/**
 * What an event replaced or deleted, as an encoded mvccpb.KeyValue.
 *
 * @returns null if the event created the key, or if the replaced version is compacted. That is decided by revision, not
 *   by what is physically gone, so that every member answers alike.
 */
export function previousKv(view: ReadView, event: WatchEvent): Uint8Array | null {
  if (event.previous === null || event.main - 1 < getCompactRevision(view)) return null
  return keyValueOfField(keyValueFieldOf(assertRecord(view.get('history', historyKey(event.previous)))))
}
