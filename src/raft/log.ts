import { assert } from '../base/assert.ts'
import type { Index, Term } from '../base/ids.ts'
import type { Entry, EntryId } from './types.ts'

/** Entries that one Ready handed to the disk and whose `persisted` has not come yet. */
interface Write {
  /** First index of it that is not known to be durable. */
  from: Index
  readonly entries: readonly Entry[]
  /** Handed out before a snapshot replaced the log: its acknowledgement means nothing any more. */
  void: boolean
}

/** The log of one member: what is in memory of it, and how far each of its marks has come. */
export interface RaftLog {
  /** The entry before the first one that is kept. */
  start: EntryId
  /** `entries[i].index === offset + 1 + i`. Slots below `start` are dead and wait to be cut off. */
  entries: Entry[]
  offset: Index
  lastIndex: Index
  lastTerm: Term
  commit: Index
  /** Entries up to here went into some Ready's `entries`. */
  written: Index
  /** Entries up to here are durable, and no write that is under way will replace one of them. */
  stable: Index
  /** Entries up to here went into some Ready's `committed`. */
  delivered: Index
  applied: Index
  /** Oldest first. */
  writes: Write[]
}

/** What `termAt` answers for an index that is compacted away or after the end. */
export const unknownTerm: Term = -1

export const noEntries: readonly Entry[] = Object.freeze([])

/** What an entry costs in memory and in a message; the constant covers the empty ones. */
export const entrySizeBytes = (entry: Entry): number => entry.data.length + 32

/** Dead slots are cut off in runs at least this long, so that each trim moves few pointers per entry. */
const deadSlotsMin = 256

export function createLog(start: EntryId, entries: readonly Entry[], commit: Index, applied: Index): RaftLog {
  let last: EntryId = start
  for (const entry of entries) {
    assert(entry.index === last.index + 1 && entry.term >= last.term, `log has a gap after entry ${last.index}`)
    last = entry
  }
  assert(applied >= start.index && applied <= last.index, `applied ${applied} is outside the log`)
  return {
    start: { term: start.term, index: start.index },
    entries: entries.slice(),
    offset: start.index,
    lastIndex: last.index,
    lastTerm: last.term,
    // A torn last batch may have lost entries below a commit mark that was written with them; the leader tells it again.
    commit: Math.max(applied, Math.min(commit, last.index)),
    written: last.index,
    stable: last.index,
    delivered: applied,
    applied,
    writes: [],
  }
}

/** The term of the entry at `index`, or `unknownTerm`. */
export function termAt(log: RaftLog, index: Index): Term {
  if (index > log.lastIndex || index < log.start.index) return unknownTerm
  return index === log.start.index ? log.start.term : log.entries[index - log.offset - 1]!.term
}

export function entryAt(log: RaftLog, index: Index): Entry {
  assert(index > log.start.index && index <= log.lastIndex, `entry ${index} is not in memory`)
  return log.entries[index - log.offset - 1]!
}

/** Entries in (after, last]. */
export function entriesBetween(log: RaftLog, after: Index, last: Index): readonly Entry[] {
  if (after >= last) return noEntries
  assert(after >= log.start.index && last <= log.lastIndex, `entries (${after}, ${last}] are not in memory`)
  return log.entries.slice(after - log.offset, last - log.offset)
}

/** Entries after `after`, as many as fit into `bytesMax`, but at least one if there is one. */
export function batchAfter(log: RaftLog, after: Index, bytesMax: number): readonly Entry[] {
  let bytes = 0
  let last = after
  while (last < log.lastIndex) {
    bytes += entrySizeBytes(entryAt(log, last + 1))
    if (bytes > bytesMax && last > after) break
    last++
  }
  return entriesBetween(log, after, last)
}

/** Appends entries that follow the last one. */
export function append(log: RaftLog, entries: readonly Entry[]): void {
  for (const entry of entries) log.entries.push(entry)
  const last = entries.at(-1)
  if (last === undefined) return
  log.lastIndex = last.index
  log.lastTerm = last.term
}

/**
 * Takes over a leader's entries after `prev`, which is known to match: those already there are skipped, the first that
 * differs and all after it are replaced.
 *
 * @throws InvariantError if a committed entry would change.
 * @source Raft paper fig. 2, AppendEntries receiver 3 and 4.
 */
export function merge(log: RaftLog, prev: Index, entries: readonly Entry[]): void {
  let skip = 0
  while (skip < entries.length && termAt(log, prev + 1 + skip) === entries[skip]!.term) skip++
  if (skip === entries.length) return
  const keep = prev + skip
  if (keep < log.lastIndex) truncate(log, keep)
  append(log, skip === 0 ? entries : entries.slice(skip))
}

function truncate(log: RaftLog, keep: Index): void {
  assert(keep >= log.commit, `entry ${keep + 1} is committed and would be replaced`)
  log.entries.length = keep - log.offset
  log.lastIndex = keep
  log.lastTerm = termAt(log, keep)
  log.written = Math.min(log.written, keep)
  log.stable = Math.min(log.stable, keep)
}

export function commitTo(log: RaftLog, index: Index): boolean {
  if (index <= log.commit) return false
  assert(index <= log.lastIndex, `commit ${index} is after the last entry ${log.lastIndex}`)
  log.commit = index
  return true
}

/** Entries that no Ready has handed to the disk yet; counts them as handed out. */
export function takeWrites(log: RaftLog): readonly Entry[] {
  if (log.written === log.lastIndex) return noEntries
  const entries = entriesBetween(log, log.written, log.lastIndex)
  log.writes.push({ from: log.written + 1, entries, void: false })
  log.written = log.lastIndex
  return entries
}

/**
 * The disk holds the log up to `last`. An entry can be replaced and come back while both writes are still under way (a
 * second leader drops it, a third restores it), so an id does not name one write: the oldest one that has it is taken,
 * which can only be too careful. An id that no write has is old news.
 *
 * @returns whether `last` was awaited.
 */
export function acknowledgeWrite(log: RaftLog, last: EntryId): boolean {
  const at = log.writes.findIndex(
    ({ entries }) => last.index >= entries[0]!.index && entries[last.index - entries[0]!.index]?.term === last.term,
  )
  const write = log.writes[at]
  if (write === undefined || write.from > last.index) return false
  write.from = last.index + 1
  log.writes.splice(0, write.from > write.entries.at(-1)!.index ? at + 1 : at)
  updateStable(log)
  return !write.void
}

function updateStable(log: RaftLog): void {
  let stable = log.written
  for (const write of log.writes) {
    if (!write.void && write.from <= stable) stable = write.from - 1
  }
  log.stable = Math.max(stable, log.start.index)
}

/** Committed and durable entries that no Ready has delivered yet; counts them as delivered. */
export function takeCommitted(log: RaftLog): readonly Entry[] {
  const last = deliverable(log)
  if (last <= log.delivered) return noEntries
  const entries = entriesBetween(log, log.delivered, last)
  log.delivered = last
  return entries
}

export const deliverable = (log: RaftLog): Index => Math.min(log.commit, log.stable)

/** Forgets entries up to `index`, which the state machine has applied. */
export function compact(log: RaftLog, index: Index): void {
  assert(index <= log.applied, `entry ${index} is not applied and cannot be compacted`)
  if (index <= log.start.index) return
  log.start = { term: termAt(log, index), index }
  const dead = index - log.offset
  if (dead < deadSlotsMin && dead * 2 < log.entries.length) return
  log.entries = log.entries.slice(dead)
  log.offset = index
}

/** Replaces the whole log by a snapshot of the state at `meta`. */
export function restore(log: RaftLog, meta: EntryId): void {
  assert(meta.index > log.commit, `snapshot ${meta.index} is not after commit ${log.commit}`)
  log.start = { term: meta.term, index: meta.index }
  log.entries = []
  log.offset = meta.index
  log.lastIndex = meta.index
  log.lastTerm = meta.term
  log.commit = meta.index
  log.written = meta.index
  log.stable = meta.index
  log.delivered = meta.index
  for (const write of log.writes) write.void = true
}

/** The snapshot at `index` is the state now: writes from before it are over, and acknowledged or never will be. */
export function restored(log: RaftLog, index: Index): void {
  log.writes = log.writes.filter((write) => !write.void)
  log.applied = Math.max(log.applied, index)
}

/**
 * The largest index at or below `index` whose term is at most `term`: where two logs may still agree. Skips the
 * conflicting tail in one round instead of one entry at a time. Stops where the log is compacted.
 *
 * @source Raft paper 5.3, last paragraphs.
 */
export function agreementCandidate(log: RaftLog, index: Index, term: Term): EntryId {
  let at = Math.min(index, log.lastIndex)
  for (; at > 0; at--) {
    const termThere = termAt(log, at)
    if (termThere === unknownTerm) return { term: 0, index: at }
    if (termThere <= term) return { term: termThere, index: at }
  }
  return { term: 0, index: 0 }
}

/** The index of the first configuration change in (after, last], or null. */
export function nextConfChange(log: RaftLog, after: Index, last: Index): Index | null {
  for (let index = Math.max(after, log.start.index) + 1; index <= last; index++) {
    if (entryAt(log, index).type === 'confChange') return index
  }
  return null
}

/** The index of the last configuration change in (after, last], or null. */
export function lastConfChange(log: RaftLog, after: Index, last: Index): Index | null {
  for (let index = last; index > Math.max(after, log.start.index); index--) {
    if (entryAt(log, index).type === 'confChange') return index
  }
  return null
}
