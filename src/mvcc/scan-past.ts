import { compareBytes, equalBytes } from '../base/bytes.ts'
import type { Revision } from '../base/ids.ts'
import { isEmptyRange, type KeyRange, rangeContains } from '../base/key-range.ts'
import { type CurrentRecord, decodeCurrent } from './current-record.ts'
import { isLongOldKey, keyPrefixBytes, oldBounds, oldKey } from './key-encoding.ts'
import { inKeyOrder, type RowForm } from './long-key-groups.ts'
import { decodeOld, type OldVersion } from './old-record.ts'
import { scanCurrent } from './scan-current.ts'
import { rowsPerStep } from './steps.ts'
import type { ReadView } from './view.ts'

/** A key as it was at some revision: where that version stands in `history`. */
export interface VersionAt {
  readonly key: Uint8Array
  readonly mod: Revision
  readonly sub: number
  /** Set if that version still is the newest. */
  readonly current: CurrentRecord | null
}

const form: RowForm<OldVersion> = {
  isLong: isLongOldKey,
  groupBytes: keyPrefixBytes,
  decode: decodeOld,
  compare: (a, b) => compareBytes(a.key, b.key) || a.main - b.main,
}

/**
 * The keys of a range that were alive at `revision`, in key order: `current` where it is old enough, else the newest
 * superseded version that is. Reads every superseded version of the range, also later ones; a null now and then says that
 * many rows were read and none is to be told of.
 */
export function* scanAt(view: ReadView, range: KeyRange, revision: Revision): Generator<VersionAt | null> {
  const pasts = newestPasts(view, range, revision)
  try {
    let past = pasts.next()
    for (const { key, record } of scanCurrent(view, range)) {
      while (!past.done && (past.value === null || compareBytes(past.value.key, key) < 0)) {
        yield past.value === null ? null : alive(past.value)
        past = pasts.next()
      }
      const superseded = !past.done && past.value !== null && equalBytes(past.value.key, key) ? past.value : null
      if (superseded !== null) past = pasts.next()
      const current = decodeCurrent(record)
      if (current.mod <= revision) yield { key, mod: current.mod, sub: current.sub, current }
      else yield superseded === null ? null : alive(superseded)
    }
    for (; !past.done; past = pasts.next()) yield past.value === null ? null : alive(past.value)
  } finally {
    pasts.return()
  }
}

/** For each key that has any, the newest of its old versions and tombstones at or before `revision`; nulls as above. */
function* newestPasts(view: ReadView, range: KeyRange, revision: Revision): Generator<OldVersion | null, void> {
  if (range.isPoint) {
    const newest = newestPastOfKey(view, range, revision)
    if (newest !== null) yield newest
    return
  }
  if (isEmptyRange(range)) return
  const bounds = oldBounds(range)
  let newest: OldVersion | null = null
  let rows = 0
  for (const version of inKeyOrder(view.scan('old', bounds), form, false)) {
    if (++rows % rowsPerStep === 0) yield null
    if (version.main > revision || !(bounds.exact || rangeContains(range, version.key))) continue
    if (newest !== null && !equalBytes(newest.key, version.key)) yield newest
    newest = version
  }
  if (newest !== null) yield newest
}

/** One key's rows stand together whatever its length, and in order of revision: the last one is it. */
function newestPastOfKey(view: ReadView, range: KeyRange, revision: Revision): OldVersion | null {
  const bounds = { start: oldKey(range.start, 0), end: oldKey(range.start, revision + 1), reverse: true }
  for (const [row, bytes] of view.scan('old', bounds)) return decodeOld(row, bytes)
  return null
}

const alive = ({ key, main, sub, tombstone }: OldVersion): VersionAt | null =>
  tombstone ? null : { key, mod: main, sub, current: null }
