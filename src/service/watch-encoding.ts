import type { WatchEvent } from '../apply/outcome.ts'
import { emptyBytes } from '../base/bytes.ts'
import type { Revision } from '../base/ids.ts'
import { highHalf, lowHalf, varint64Size, varintSize, writeVarint, writeVarint64 } from '../wire/varint.ts'

/**
 * Watch responses are put together from three parts, in the order of their field numbers: header, what is particular to
 * one watch (id, flags), and the framed events, which all watches of a group share. Field numbers: wire/proto/rpc.proto.
 */
const tagWatchId = 0x10
const tagCreated = 0x18
const tagCanceled = 0x20
const tagCompactRevision = 0x28
const tagCancelReason = 0x32
const tagFragment = 0x38
const tagEvent = 0x5a
const tagEventPrevKv = 0x1a

/** The id of responses that belong to no watch: refused creations and progress of the whole stream. */
export const noWatchId = -1n

function varintField(tag: number, value: bigint): Uint8Array {
  const high = highHalf(value)
  const low = lowHalf(value)
  const field = new Uint8Array(1 + varint64Size(high, low))
  field[0] = tag
  writeVarint64(field, 1, high, low)
  return field
}

/** The part of a response that names its watch; empty for id 0, as proto3 has it. */
export const encodeWatchId = (id: bigint): Uint8Array => (id === 0n ? emptyBytes : varintField(tagWatchId, id))

/** Events of ascending revisions, framed as field 11 of a response: any run of whole events can be cut out. */
export interface EncodedEvents {
  readonly bytes: Uint8Array
  /** Where each event ends in `bytes`. */
  readonly ends: readonly number[]
  /** Main revision of each event. */
  readonly mains: readonly Revision[]
}

/** @param previousKv encoded KeyValue to show as the event's prev_kv, or null for none. */
export function encodeEvents(
  events: readonly WatchEvent[],
  previousKv: ((event: WatchEvent) => Uint8Array | null) | null,
): EncodedEvents {
  const previous = previousKv === null ? null : events.map(previousKv)
  const ends: number[] = new Array(events.length)
  const mains: Revision[] = new Array(events.length)
  let total = 0
  for (let i = 0; i < events.length; i++) {
    const length = eventLength(events[i]!, previous?.[i] ?? null)
    total += 1 + varintSize(length) + length
    ends[i] = total
    mains[i] = events[i]!.main
  }
  const bytes = Buffer.allocUnsafe(total)
  let at = 0
  for (let i = 0; i < events.length; i++) {
    const event = events[i]!
    const prev = previous?.[i] ?? null
    bytes[at] = tagEvent
    at = writeVarint(bytes, at + 1, eventLength(event, prev))
    bytes.set(event.encoded, at)
    at += event.encoded.length
    if (prev !== null) {
      bytes[at] = tagEventPrevKv
      at = writeVarint(bytes, at + 1, prev.length)
      bytes.set(prev, at)
      at += prev.length
    }
  }
  return { bytes, ends, mains }
}

const eventLength = (event: WatchEvent, prev: Uint8Array | null): number =>
  event.encoded.length + (prev === null ? 0 : 1 + varintSize(prev.length) + prev.length)

/** The events from revision `from` on. */
export function eventsSince(events: EncodedEvents, from: Revision): EncodedEvents {
  let skip = 0
  while (skip < events.mains.length && events.mains[skip]! < from) skip++
  if (skip === 0) return events
  const start = events.ends[skip - 1]!
  return {
    bytes: events.bytes.subarray(start),
    ends: events.ends.slice(skip).map((end) => end - start),
    mains: events.mains.slice(skip),
  }
}

/** Splits events into runs of whole revisions of at most `bytesMax`; a revision that is larger goes alone. */
export function splitAtRevisions(events: EncodedEvents, bytesMax: number): EncodedEvents[] {
  if (events.bytes.length <= bytesMax) return [events]
  const { bytes, ends, mains } = events
  const runs: EncodedEvents[] = []
  let first = 0
  /** Where the last whole revision of the run at hand ends. */
  let whole = 0
  const cut = (): void => {
    const start = first === 0 ? 0 : ends[first - 1]!
    runs.push({
      bytes: bytes.subarray(start, ends[whole - 1]!),
      ends: ends.slice(first, whole).map((end) => end - start),
      mains: mains.slice(first, whole),
    })
    first = whole
  }
  for (let next = 1; next <= mains.length; next++) {
    if (mains[next] === mains[next - 1]) continue
    const start = first === 0 ? 0 : ends[first - 1]!
    if (whole > first && ends[next - 1]! - start > bytesMax) cut()
    whole = next
  }
  cut()
  return runs
}

/** A response with events, or without any: then it is a progress notice. */
export function encodeDelivery(header: Uint8Array, watchId: Uint8Array, events: Uint8Array): Uint8Array {
  const response = Buffer.allocUnsafe(header.length + watchId.length + events.length)
  response.set(header)
  response.set(watchId, header.length)
  response.set(events, header.length + watchId.length)
  return response
}

const fragmentFlag = Uint8Array.of(tagFragment, 1)

/**
 * Splits a delivery into responses below `bytesMax`, of which all but the last say so. An event that is larger than
 * that goes alone.
 *
 * @source etcd api/v3rpc/watch.go, sendFragments: a response of one event or below the bound is sent as it is.
 */
export function encodeFragments(
  header: Uint8Array,
  watchId: Uint8Array,
  events: EncodedEvents,
  bytesMax: number,
): Uint8Array[] {
  const fixed = header.length + watchId.length
  const count = events.ends.length
  if (count < 2 || fixed + events.bytes.length < bytesMax) return [encodeDelivery(header, watchId, events.bytes)]
  const responses: Uint8Array[] = []
  let start = 0
  for (let next = 0; next < count; ) {
    let end = events.ends[next++]!
    while (next < count && fixed + fragmentFlag.length + (events.ends[next]! - start) < bytesMax)
      end = events.ends[next++]!
    const particular = next < count ? Buffer.concat([watchId, fragmentFlag]) : watchId
    responses.push(encodeDelivery(header, particular, events.bytes.subarray(start, end)))
    start = end
  }
  return responses
}

export const encodeCreated = (header: Uint8Array, watchId: Uint8Array): Uint8Array =>
  Buffer.concat([header, watchId, Uint8Array.of(tagCreated, 1)])

/** A creation that was refused: created and canceled at once, under no id. */
export function encodeRefused(header: Uint8Array, reason: string): Uint8Array {
  const flags = Uint8Array.of(tagCreated, 1, tagCanceled, 1)
  return Buffer.concat([header, encodeWatchId(noWatchId), flags, cancelReason(reason)])
}

/** A watch whose client may see no more of it. */
export function encodeRevoked(header: Uint8Array, watchId: Uint8Array, reason: string): Uint8Array {
  return Buffer.concat([header, watchId, Uint8Array.of(tagCanceled, 1), cancelReason(reason)])
}

function cancelReason(reason: string): Uint8Array {
  const text = Buffer.from(reason, 'utf8')
  const head = new Uint8Array(1 + varintSize(text.length))
  head[0] = tagCancelReason
  writeVarint(head, 1, text.length)
  return Buffer.concat([head, text])
}

/** @param compactRevision 0 if the client asked for the end; else the watch wanted older events than there are. */
export function encodeCanceled(header: Uint8Array, watchId: Uint8Array, compactRevision: Revision): Uint8Array {
  const compacted = compactRevision === 0 ? emptyBytes : varintField(tagCompactRevision, BigInt(compactRevision))
  return Buffer.concat([header, watchId, Uint8Array.of(tagCanceled, 1), compacted])
}
