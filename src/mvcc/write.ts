import type { WatchEvent } from '../apply/outcome.ts'
import { emptyBytes } from '../base/bytes.ts'
import { type LeaseId, noLease, type Revision } from '../base/ids.ts'
import type { KeyRange } from '../base/key-range.ts'
import { keyValueOfField, parseKeyValue } from '../wire/key-value.ts'
import { type CurrentRecord, decodeCurrent, getCurrent, putCurrent, removeCurrent } from './current-record.ts'
import { assertRecord, encodeDelete, encodePut, eventFrom, historyKey, keyValueFieldOf } from './history-record.ts'
import { attach, detach } from './lease-attachment.ts'
import { putOld } from './old-record.ts'
import { scanCurrent } from './scan-current.ts'
import type { ReadView, WriteView } from './view.ts'

/** The changes of one main revision in the making. */
export interface Mutation {
  readonly view: WriteView
  /** The revision that the changes get if there are any. */
  readonly main: Revision
  /** One for each change so far, in order; their number is the next `sub`. */
  readonly events: WatchEvent[]
}

export const beginMutation = (view: WriteView, latest: Revision): Mutation => ({ view, main: latest + 1, events: [] })

/** Newest revision as the mutation's own reads see it. */
export const revisionWithin = (mutation: Mutation): Revision =>
  mutation.events.length > 0 ? mutation.main : mutation.main - 1

export interface Put {
  readonly key: Uint8Array
  /** Null keeps the value that the key has; it must exist. */
  readonly value: Uint8Array | null
  /** Null keeps the lease that the key has; it must exist. `noLease` detaches. */
  readonly lease: LeaseId | null
}

/** Writes one key. The caller has checked that the lease exists. @returns what was there before. */
export function put(mutation: Mutation, { key, value, lease }: Put): CurrentRecord | undefined {
  const { view, main, events } = mutation
  const sub = events.length
  const before = getCurrent(view, key)
  const newLease = lease ?? before?.lease ?? noLease
  const previous = before === undefined ? null : { main: before.mod, sub: before.sub }
  const create = before === undefined ? main : before.create
  const version = before === undefined ? 1 : before.version + 1
  const bytes = encodePut(
    { key, create, mod: main, version, value: value ?? keptValue(view, before), lease: newLease },
    previous,
  )
  view.put('history', historyKey({ main, sub }), bytes)
  putCurrent(view, key, { mod: main, sub, create, version, lease: newLease })
  if (before !== undefined) putOld(view, { key, main: before.mod, sub: before.sub, tombstone: false })
  const oldLease = before === undefined ? noLease : before.lease
  if (oldLease !== newLease) {
    if (oldLease !== noLease) detach(view, oldLease, key)
    if (newLease !== noLease) attach(view, newLease, key)
  }
  events.push(eventFrom(bytes, main, sub, key))
  return before
}

/** Deletes every live key of the range, in key order. @returns what was there, in that order. */
export function deleteRange(mutation: Mutation, range: KeyRange): CurrentRecord[] {
  const rows = [...scanCurrent(mutation.view, range)]
  return rows.map(({ key, record }) => {
    const before = decodeCurrent(record)
    deleteKey(mutation, key, before)
    return before
  })
}

function deleteKey({ view, main, events }: Mutation, key: Uint8Array, before: CurrentRecord): void {
  const sub = events.length
  const previous = { main: before.mod, sub: before.sub }
  const tombstone = { key, create: 0, mod: main, version: 0, value: emptyBytes, lease: noLease }
  const bytes = encodeDelete(tombstone, previous)
  view.put('history', historyKey({ main, sub }), bytes)
  removeCurrent(view, key)
  putOld(view, { key, ...previous, tombstone: false })
  putOld(view, { key, main, sub, tombstone: true })
  if (before.lease !== noLease) detach(view, before.lease, key)
  events.push(eventFrom(bytes, main, sub, key))
}

/** The key-value of a version, newest or just superseded, as field 2 with tag and length. */
export const storedKeyValueField = (view: ReadView, { mod, sub }: CurrentRecord): Uint8Array =>
  keyValueFieldOf(assertRecord(view.get('history', historyKey({ main: mod, sub }))))

function keptValue(view: ReadView, record: CurrentRecord | undefined): Uint8Array {
  return record === undefined ? emptyBytes : parseKeyValue(keyValueOfField(storedKeyValueField(view, record))).value
}
