import { compareBytes, emptyBytes } from '../base/bytes.ts'
import type { Revision } from '../base/ids.ts'
import type { KeyRange } from '../base/key-range.ts'
import { type RangeRequest, RangeRequest_SortOrder, RangeRequest_SortTarget } from '../wire/gen/rpc.ts'
import { encodeKeyValueField, type KeyValueFields, keyValueOfField, parseKeyValue } from '../wire/key-value.ts'
import { Pieces } from '../wire/pieces.ts'
import { decodeCurrent } from './current-record.ts'
import { assertRecord, historyKey, keyValueFieldOf } from './history-record.ts'
import { countCurrent, scanCurrent } from './scan-current.ts'
import { scanAt, type VersionAt } from './scan-past.ts'
import { sortInSteps } from './sort-in-steps.ts'
import { Pace, type Steps } from './steps.ts'
import type { ReadView } from './view.ts'

/**
 * Ranges that sort, filter, leave out values or read the past. `count` is the number of keys in the range whatever
 * filters and limit say; filters come first, then sorting, then the limit. Only with a target and no order, and no
 * filters, the limit comes first: as in etcd, the first keys then are the ones that get sorted, ascending.
 *
 * @param at past revision, or null for the newest state.
 */
export function* plannedRange(
  view: ReadView,
  request: RangeRequest,
  keys: KeyRange,
  at: Revision | null,
): Steps<Pieces> {
  const body = new Pieces()
  if (request.count_only) {
    body.addNumber(0x20, yield* countKeys(view, keys, at))
    return body
  }
  const limit = request.limit > 0n ? Number(request.limit) : Number.POSITIVE_INFINITY
  const byKey = request.sort_target === RangeRequest_SortTarget.KEY
  const descending = request.sort_order === RangeRequest_SortOrder.DESCEND
  const keep = filterOf(view, request)
  // With the newest state, table order can be used both ways, and the scan can stop at the limit.
  const inOrder = byKey && (at === null || !descending)
  const stopsAtLimit = keep === null && (byKey ? inOrder : request.sort_order === RangeRequest_SortOrder.NONE)
  const versions = at === null ? newest(view, keys, byKey && descending) : scanAt(view, keys, at)
  const add = (version: VersionAt): number => {
    const field = request.keys_only ? withoutValue(view, version) : storedField(view, version)
    body.add(field)
    return field.length
  }

  /** What is to be sorted, or turned round, and goes into the answer after that. */
  const chosen: VersionAt[] = []
  const pace = new Pace()
  let total = 0
  let taken = 0
  for (const version of versions) {
    let bytes = 0
    let held = 0
    if (version !== null) {
      if (stopsAtLimit && at === null && taken > limit) {
        total = yield* countCurrent(view, keys)
        break
      }
      total++
      if (!(stopsAtLimit && taken > limit) && (keep === null || keep(version))) {
        taken++
        if (!inOrder) {
          chosen.push(version)
          held = chosenBytes + version.key.length
        } else if (taken <= limit) held = bytes = add(version)
      }
    }
    if (!pace.isOver(bytes, held)) continue
    body.pack()
    yield pace.next()
  }

  const more = taken > limit
  if (!inOrder) {
    const ordered = byKey ? chosen.reverse() : yield* inOrderOf(view, chosen, request.sort_target, descending)
    if (more) ordered.length = limit
    for (const version of ordered) {
      const bytes = add(version)
      if (!pace.isOver(bytes, bytes)) continue
      body.pack()
      yield pace.next()
    }
  }
  body.addNumber(0x18, more ? 1 : 0)
  body.addNumber(0x20, total)
  return body
}

/** Memory of a version that waits to be sorted, beside its key: measured, with what the sort itself takes. */
const chosenBytes = 700

function* newest(view: ReadView, keys: KeyRange, reverse: boolean): Generator<VersionAt> {
  for (const { key, record } of scanCurrent(view, keys, reverse)) {
    const current = decodeCurrent(record)
    yield { key, mod: current.mod, sub: current.sub, current }
  }
}

function* countKeys(view: ReadView, keys: KeyRange, at: Revision | null): Steps<number> {
  if (at === null) return yield* countCurrent(view, keys)
  const pace = new Pace()
  let count = 0
  for (const version of scanAt(view, keys, at)) {
    if (version !== null) count++
    if (pace.isOver(0, 0)) yield pace.next()
  }
  return count
}

/** Bounds are inclusive and 0 is no bound. Null if there are none. */
function filterOf(view: ReadView, request: RangeRequest): ((version: VersionAt) => boolean) | null {
  const { min_mod_revision: minMod, max_mod_revision: maxMod } = request
  const { min_create_revision: minCreate, max_create_revision: maxCreate } = request
  const byCreate = minCreate !== 0n || maxCreate !== 0n
  if (minMod === 0n && maxMod === 0n && !byCreate) return null
  return (version) => {
    if ((minMod !== 0n && version.mod < minMod) || (maxMod !== 0n && version.mod > maxMod)) return false
    if (!byCreate) return true
    const create = metadataOf(view, version).create
    return (minCreate === 0n || create >= minCreate) && (maxCreate === 0n || create <= maxCreate)
  }
}

/** Equal ones stay in key order. Each version's sort value is read once. */
function* inOrderOf(
  view: ReadView,
  versions: readonly VersionAt[],
  target: RangeRequest_SortTarget,
  descending: boolean,
): Steps<VersionAt[]> {
  const sign = descending ? -1 : 1
  if (target === RangeRequest_SortTarget.VALUE) {
    const sortValueOf = (version: VersionAt): Uint8Array => parsed(view, version).value
    return yield* sortedBy(
      versions,
      sortValueOf,
      (value) => value.length,
      (a, b) => sign * compareBytes(a, b),
    )
  }
  const numberOf = (version: VersionAt): number => {
    if (target === RangeRequest_SortTarget.MOD) return version.mod
    const metadata = metadataOf(view, version)
    return target === RangeRequest_SortTarget.CREATE ? metadata.create : metadata.version
  }
  return yield* sortedBy(
    versions,
    numberOf,
    () => 0,
    (a, b) => sign * (a - b),
  )
}

function* sortedBy<V>(
  versions: readonly VersionAt[],
  sortValueOf: (version: VersionAt) => V,
  bytesOf: (value: V) => number,
  compare: (a: V, b: V) => number,
): Steps<VersionAt[]> {
  const items: { readonly version: VersionAt; readonly value: V }[] = []
  const pace = new Pace()
  for (const version of versions) {
    const value = sortValueOf(version)
    items.push({ version, value })
    const bytes = bytesOf(value)
    if (pace.isOver(bytes, bytes)) yield pace.next()
  }
  const sorted = yield* sortInSteps(items, (a, b) => compare(a.value, b.value))
  return sorted.map(({ version }) => version)
}

type Metadata = Pick<KeyValueFields, 'create' | 'version' | 'lease'>

const metadataOf = (view: ReadView, version: VersionAt): Metadata => version.current ?? parsed(view, version)

function withoutValue(view: ReadView, version: VersionAt): Uint8Array {
  const { create, version: number, lease } = metadataOf(view, version)
  return encodeKeyValueField({ key: version.key, create, mod: version.mod, version: number, value: emptyBytes, lease })
}

const storedField = (view: ReadView, { mod, sub }: VersionAt): Uint8Array =>
  keyValueFieldOf(assertRecord(view.get('history', historyKey({ main: mod, sub }))))

const parsed = (view: ReadView, version: VersionAt): KeyValueFields =>
  parseKeyValue(keyValueOfField(storedField(view, version)))
