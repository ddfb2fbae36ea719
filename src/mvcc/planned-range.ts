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
import type { ReadView } from './view.ts'

/**
 * Ranges that sort, filter, leave out values or read the past. `count` is the number of keys in the range whatever
 * filters and limit say; filters come first, then sorting, then the limit. Only with a target and no order, and no
 * filters, the limit comes first: as in etcd, the first keys then are the ones that get sorted, ascending.
 *
 * @param at past revision, or null for the newest state.
 */
export function plannedRange(view: ReadView, request: RangeRequest, keys: KeyRange, at: Revision | null): Uint8Array {
  const body = new Pieces()
  if (request.count_only) {
    body.addNumber(0x20, countKeys(view, keys, at))
    return body.join()
  }
  const limit = request.limit > 0n ? Number(request.limit) : Number.POSITIVE_INFINITY
  const { chosen, total } = choose(view, request, keys, at, limit)
  const more = chosen.length > limit
  if (more) chosen.length = limit
  for (const version of chosen) {
    body.add(request.keys_only ? withoutValue(view, version) : storedField(view, version))
  }
  body.addNumber(0x18, more ? 1 : 0)
  body.addNumber(0x20, total)
  return body.join()
}

/** @returns the versions in order, cut not earlier than one past the limit; and the number of keys in the range. */
function choose(
  view: ReadView,
  request: RangeRequest,
  keys: KeyRange,
  at: Revision | null,
  limit: number,
): { chosen: VersionAt[]; total: number } {
  const byKey = request.sort_target === RangeRequest_SortTarget.KEY
  const descending = request.sort_order === RangeRequest_SortOrder.DESCEND
  const keep = filterOf(view, request)
  // With the newest state, table order can be used both ways, and the scan can stop at the limit.
  const limitFirst = byKey ? at === null || !descending : request.sort_order === RangeRequest_SortOrder.NONE
  const canStop = limitFirst && keep === null
  const versions = at === null ? newest(view, keys, byKey && descending) : scanAt(view, keys, at)
  const chosen: VersionAt[] = []
  let total = 0
  for (const version of versions) {
    if (canStop && chosen.length > limit) {
      if (at === null) {
        total = countCurrent(view, keys)
        break
      }
      total++
      continue
    }
    total++
    if (keep === null || keep(version)) chosen.push(version)
  }
  if (!byKey) chosen.sort(orderOf(view, request.sort_target, descending))
  else if (descending && at !== null) chosen.reverse()
  return { chosen, total }
}

function* newest(view: ReadView, keys: KeyRange, reverse: boolean): Generator<VersionAt> {
  for (const { key, record } of scanCurrent(view, keys, reverse)) {
    const current = decodeCurrent(record)
    yield { key, mod: current.mod, sub: current.sub, current }
  }
}

function countKeys(view: ReadView, keys: KeyRange, at: Revision | null): number {
  if (at === null) return countCurrent(view, keys)
  let count = 0
  for (const _ of scanAt(view, keys, at)) count++
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
function orderOf(
  view: ReadView,
  target: RangeRequest_SortTarget,
  descending: boolean,
): (a: VersionAt, b: VersionAt) => number {
  const sign = descending ? -1 : 1
  if (target === RangeRequest_SortTarget.VALUE) {
    const value = remembered((version) => parsed(view, version).value)
    return (a, b) => sign * compareBytes(value(a), value(b))
  }
  if (target === RangeRequest_SortTarget.MOD) return (a, b) => sign * (a.mod - b.mod)
  const number = remembered(
    target === RangeRequest_SortTarget.CREATE
      ? (version) => metadataOf(view, version).create
      : (version) => metadataOf(view, version).version,
  )
  return (a, b) => sign * (number(a) - number(b))
}

function remembered<T>(read: (version: VersionAt) => T): (version: VersionAt) => T {
  const known = new Map<VersionAt, T>()
  return (version) => {
    let value = known.get(version)
    if (value === undefined) {
      value = read(version)
      known.set(version, value)
    }
    return value
  }
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
