import type { CommittedBatch, WatchEvent } from '../apply/outcome.ts'
import { assert } from '../base/assert.ts'
import type { Revision } from '../base/ids.ts'
import type { KeyRange } from '../base/key-range.ts'
import { limits } from '../base/limits.ts'
import { previousKv, readEvents } from '../mvcc/history.ts'
import { getCompactRevision, getRevision } from '../mvcc/meta.ts'
import type { ReadView } from '../mvcc/view.ts'
import { encodeHeader } from '../wire/header.ts'
import { type Access, accessOf } from './access.ts'
import type { Member } from './member.ts'
import { knownRevision } from './respond.ts'
import { WatchCounts } from './watch-counts.ts'
import {
  type EncodedEvents,
  encodeDelivery,
  encodeEvents,
  encodeFragments,
  eventsSince,
  splitAtRevisions,
} from './watch-encoding.ts'
import { type GroupWish, groupOf, type RangeNode, type Watcher, type WatchGroup, wantedEvents } from './watch-group.ts'
import { WatchIndex } from './watch-index.ts'
import type { WatchStream } from './watch-stream.ts'
import type { WatchTimers } from './watch-timers.ts'

export interface NewWatch extends GroupWish {
  readonly id: bigint
  readonly idField: Uint8Array
  readonly range: KeyRange
  readonly fragment: boolean
  readonly progressNotify: boolean
  readonly costBytes: number
  readonly firstRevision: Revision
}

/** Sizes in bytes. */
export interface WatchBounds {
  /** What may wait for one stream before its watchers fall back to history. */
  readonly queueBytesMax: number
  /** Live events of several revisions that go out in one response. */
  readonly liveResponseBytesMax: number
  /** A response from which on those who asked for it get fragments. */
  readonly fragmentBytesMax: number
}

type Previous = Map<WatchEvent, Uint8Array | null>

/**
 * All watches of one serving thread. Committed batches that come in one turn go out together: each event is matched once
 * against the index of ranges, encoded once for each group of equal watches, and spliced into one response for each id.
 *
 * Invariant: a synced watcher has been sent (or queued) every event it wants up to `revision`; a lagging or stalled
 * one every event below its `minRevision`. Lagging watchers read history up to `revision`, in turns, and then are synced.
 */
export class WatchHub {
  /** Up to here the feed of commits has been given to the synced watchers. */
  revision: Revision = 0
  readonly #member: Member
  readonly #timers: WatchTimers
  readonly #index = new WatchIndex<RangeNode>()
  readonly #streams = new Set<WatchStream>()
  readonly #progressWaiting = new Set<WatchStream>()
  /** First come, first served; who is served and still lags goes to the back. */
  readonly #lagging = new Set<Watcher>()
  readonly queueBytesMax: number
  /** Bytes queued for all streams. */
  queuedBytes = 0
  /** Streams whose client does not take what has been sent. */
  blockedStreams = 0
  #watchesBytes = 0
  readonly #bounds: WatchBounds
  readonly #access: Access
  /** Of the rules by which all watches may be. */
  #judgedVersion = -1
  readonly #counts: WatchCounts
  #pending: CommittedBatch[] = []
  #flushScheduled = false
  #catchUpScheduled = false
  #step = 0
  #unsubscribe: (() => void) | null = null

  constructor(member: Member, timers: WatchTimers, bounds: WatchBounds, counts = new WatchCounts()) {
    this.queueBytesMax = bounds.queueBytesMax
    this.#bounds = bounds
    this.#member = member
    this.#access = accessOf(member)
    this.#timers = timers
    this.#counts = counts
  }

  get streams(): ReadonlySet<WatchStream> {
    return this.#streams
  }

  /** The feed is taken only while there are streams, so that a member need not send it to threads without any. */
  addStream(stream: WatchStream): void {
    this.#streams.add(stream)
    this.#counts.streams = this.#streams.size
    if (this.#unsubscribe !== null) return
    // In this order: once subscribed, a serving thread goes by what it has been told, which may be nothing for long.
    this.revision = this.#member.revision()
    const feed = this.#member.onCommitted((batch) => this.#committed(batch))
    const keys = this.#access.onKeysChanged(() => this.#judgeAll())
    this.#unsubscribe = () => {
      feed()
      keys()
    }
  }

  dropStream(stream: WatchStream): void {
    this.#streams.delete(stream)
    this.#counts.streams = this.#streams.size
    this.#progressWaiting.delete(stream)
    if (this.#streams.size > 0 || this.#unsubscribe === null) return
    this.#unsubscribe()
    this.#unsubscribe = null
    this.#pending = []
  }

  /** The response header at the position of the feed. */
  header(): Uint8Array {
    return this.headerAt(this.revision)
  }

  /** More waits for clients than this thread will hold: who blocks gets no more than history gives it later. */
  get isFull(): boolean {
    return this.queuedBytes >= limits.watchThreadQueueBytesMax
  }

  /** Whether there is memory for another watch of this cost. */
  hasRoomForWatch(costBytes: number): boolean {
    return this.#watchesBytes + costBytes <= limits.watchThreadWatchesBytesMax
  }

  /**
   * What a client must take for the present: the feed, what readers see, which the feed has yet to tell, and every write
   * that was answered here before.
   */
  presentRevision(): Revision {
    return Math.max(this.revision, knownRevision(this.#member))
  }

  headerAt(revision: Revision): Uint8Array {
    const { clusterId, memberId } = this.#member.info
    return encodeHeader(clusterId, memberId, revision, this.#member.term())
  }

  /** Calls back once per progress interval, lengthened by up to a tenth so that streams do not report in step. */
  every(callback: () => void): { cancel(): void } {
    const interval = this.#member.info.watchProgressIntervalMs
    return this.#timers.every(interval + Math.floor(this.#timers.random() * (interval / 10)), callback)
  }

  after(ms: number, callback: () => void): { cancel(): void } {
    return this.#timers.after(ms, callback)
  }

  add(stream: WatchStream, wish: NewWatch): Watcher {
    let node = this.#index.get(wish.range)
    if (node === undefined) {
      // Its own bytes: the request's are a small part of a large network buffer.
      const start = Uint8Array.from(wish.range.start)
      const end = wish.range.end === null ? null : Uint8Array.from(wish.range.end)
      node = { range: { start, end, isPoint: wish.range.isPoint }, groups: [], matched: [], step: 0 }
      this.#index.add(node.range, node)
    }
    const group = groupOf(node, wish)
    group.size++
    const { id, idField, fragment, progressNotify, costBytes, firstRevision } = wish
    this.#watchesBytes += costBytes
    this.#counts.watchers++
    const watcher: Watcher = {
      id,
      idField,
      stream,
      group,
      fragment,
      progressNotify,
      firstRevision,
      costBytes,
      minRevision: firstRevision,
      state: 'synced',
      delivered: false,
    }
    if (firstRevision > this.revision) group.synced.add(watcher)
    else this.#lag(watcher, firstRevision)
    return watcher
  }

  remove(watcher: Watcher): void {
    if (watcher.state === 'gone') return
    const { group } = watcher
    this.#enter(watcher, 'gone')
    this.#counts.watchers--
    this.#watchesBytes -= watcher.costBytes
    group.synced.delete(watcher)
    this.#lagging.delete(watcher)
    if (--group.size > 0) return
    const { node } = group
    node.groups.splice(node.groups.indexOf(group), 1)
    if (node.groups.length === 0) this.#index.remove(node.range)
  }

  /** Up to where the watcher has been sent all it has to get; null if its first revision is still in the future. */
  positionOf(watcher: Watcher): Revision | null {
    if (watcher.state !== 'synced') return watcher.minRevision - 1
    return watcher.minRevision <= this.revision + 1 ? this.revision : null
  }

  wantProgress(stream: WatchStream): void {
    this.#progressWaiting.add(stream)
    this.#answerProgress()
  }

  /** A stalled watcher's stream has drained. */
  resume(watcher: Watcher): void {
    if (watcher.state === 'stalled') this.#lag(watcher, watcher.minRevision)
  }

  #committed(batch: CommittedBatch): void {
    this.#pending.push(batch)
    if (this.#flushScheduled) return
    this.#flushScheduled = true
    this.#timers.soon(() => {
      this.#flushScheduled = false
      this.flush()
    })
  }

  /** Gives all commits that have come to the synced watchers. */
  flush(): void {
    if (this.#pending.length === 0) return
    this.#judge()
    const batches = this.#pending
    this.#pending = []
    const touched: RangeNode[] = []
    let revision = this.revision
    for (const batch of batches) {
      if (batch.replaced) {
        this.#deliverLive(touched, revision)
        this.#lagAll()
      } else {
        // The subscription may have begun between a commit and its round of notices: then it is not news.
        this.#match(batch.events, this.revision + 1, touched, null)
      }
      revision = Math.max(revision, batch.revision)
    }
    this.#deliverLive(touched, revision)
    this.#answerProgress()
  }

  /**
   * Ends the watches whose clients may see no more, before they get anything of these commits: the state that readers see
   * has all that was decided up to now, so nothing that was written after a permission was taken away gets out.
   */
  #judge(): void {
    const version = this.#member.read((view) => this.#access.rules(view).version)
    if (version === this.#judgedVersion) return
    this.#judgedVersion = version
    this.#judgeAll()
  }

  #judgeAll(): void {
    for (const stream of [...this.#streams]) stream.judge()
  }

  /** Resolves when this member has everything that was acknowledged anywhere. */
  caughtUp(): Promise<void> {
    return this.#member.readBarrier()
  }

  /** Runs `work` on the newest state, with the rules that hold there. */
  judgeBy<T>(work: (access: Access, view: ReadView) => T): T {
    return this.#member.read((view) => work(this.#access, view))
  }

  /** Gives events from revision `from` on to the ranges that contain them, or to those that take part in `step`. */
  #match(events: readonly WatchEvent[], from: Revision, touched: RangeNode[], step: number | null): void {
    let event: WatchEvent
    const found = (node: RangeNode): void => {
      if (step !== null && node.step !== step) return
      if (node.matched.push(event) === 1) touched.push(node)
    }
    for (event of events) if (event.main >= from) this.#index.match(event.key, found)
  }

  /** Delivers what has been matched, all of it at or below `revision`, and moves the feed's position there. */
  #deliverLive(touched: RangeNode[], revision: Revision): void {
    this.revision = revision
    if (touched.length === 0) return
    const previous = wantsPrevious(touched) ? this.#member.read((view) => readPrevious(view, touched)) : null
    for (const node of touched) {
      const matched = node.matched
      node.matched = []
      // A copy: a write may end its call, and with it the last watch of a group.
      for (const group of [...node.groups]) {
        if (group.synced.size === 0) continue
        const events = this.#encode(group, matched, previous)
        if (events === null) continue
        const runs = splitAtRevisions(events, this.#bounds.liveResponseBytesMax)
        for (const [at, run] of runs.entries())
          this.#deliver(group.synced, run, at === runs.length - 1 ? revision : run.mains[run.mains.length - 1]!)
      }
    }
    touched.length = 0
  }

  #encode(group: WatchGroup, matched: readonly WatchEvent[], previous: Previous | null): EncodedEvents | null {
    const events = wantedEvents(group, matched)
    if (events.length === 0) return null
    return encodeEvents(events, group.wantsPrevious ? (event) => previous?.get(event) ?? null : null)
  }

  /**
   * Sends one group's events to its watchers. Watches with the same id on different streams get the very same bytes.
   * Who has no room is put back to history.
   */
  #deliver(watchers: Iterable<Watcher>, events: EncodedEvents, through: Revision): void {
    const header = this.headerAt(through)
    const first = events.mains[0]!
    const last = events.mains[events.mains.length - 1]!
    const responses = new Map<bigint, Uint8Array>()
    let sent = 0
    for (const watcher of watchers) {
      if (watcher.state === 'gone' || watcher.minRevision > last) continue
      const { stream } = watcher
      if (!stream.hasRoom(events.bytes.length)) {
        this.#stall(watcher, Math.max(watcher.minRevision, first))
        continue
      }
      watcher.delivered = true
      if (watcher.fragment || watcher.minRevision > first) {
        const wanted = eventsSince(events, watcher.minRevision)
        sent += wanted.mains.length
        const bytesMax = watcher.fragment ? this.#bounds.fragmentBytesMax : Number.POSITIVE_INFINITY
        for (const response of encodeFragments(header, watcher.idField, wanted, bytesMax)) stream.send(response)
      } else {
        sent += events.mains.length
        let response = responses.get(watcher.id)
        if (response === undefined) {
          response = encodeDelivery(header, watcher.idField, events.bytes)
          responses.set(watcher.id, response)
        }
        stream.send(response)
      }
      watcher.minRevision = through + 1
    }
    this.#counts.events += sent
  }

  #enter(watcher: Watcher, state: Watcher['state']): void {
    if (isSlow(watcher.state)) this.#counts.slowWatchers--
    watcher.state = state
    if (isSlow(state)) this.#counts.slowWatchers++
  }

  #lag(watcher: Watcher, from: Revision): void {
    watcher.group.synced.delete(watcher)
    this.#enter(watcher, 'lagging')
    watcher.minRevision = from
    this.#lagging.add(watcher)
    this.#scheduleCatchUp()
  }

  #stall(watcher: Watcher, from: Revision): void {
    watcher.group.synced.delete(watcher)
    this.#lagging.delete(watcher)
    this.#enter(watcher, 'stalled')
    watcher.minRevision = from
    watcher.stream.stalled.add(watcher)
  }

  /** The state was replaced, or the feed had a gap: what lies between is in history only. */
  #lagAll(): void {
    for (const stream of this.#streams)
      for (const watcher of stream.watchers.values())
        if (watcher.state === 'synced') this.#lag(watcher, Math.max(watcher.minRevision, this.revision + 1))
  }

  #scheduleCatchUp(): void {
    if (this.#catchUpScheduled) return
    this.#catchUpScheduled = true
    this.#timers.soon(() => {
      this.#catchUpScheduled = false
      this.flush()
      this.#catchUp()
      if (this.#lagging.size > 0) this.#scheduleCatchUp()
      this.#answerProgress()
    })
  }

  /**
   * One bounded step: reads a window of history that begins where the watcher waits that has waited longest, and serves
   * all that lag within that window.
   */
  #catchUp(): void {
    for (const watcher of this.#lagging) {
      if (watcher.minRevision > this.revision) this.#settle(watcher)
      else if (!watcher.stream.takesHistory) this.#stall(watcher, watcher.minRevision)
    }
    const { value: front } = this.#lagging.values().next()
    if (front === undefined) return
    const compacted: Watcher[] = []
    const touched: RangeNode[] = []
    const members: Watcher[] = []
    const step = this.#member.read((view) => {
      assert(getRevision(view) >= this.revision, 'readers see what the feed of commits has told')
      const compactRevision = getCompactRevision(view)
      for (const watcher of this.#lagging) if (watcher.minRevision < compactRevision) compacted.push(watcher)
      const from = front.minRevision
      if (from < compactRevision) return { compactRevision, through: 0, previous: null }
      const { events, next } = readEvents(view, from, this.revision, this.#catchUpBounds())
      this.#takePart(members, from, next - 1)
      this.#match(events, from, touched, this.#step)
      return { compactRevision, through: next - 1, previous: readPrevious(view, touched) }
    })
    for (const watcher of compacted) watcher.stream.cancelCompacted(watcher, step.compactRevision)
    for (const node of touched) {
      for (const group of [...node.groups]) {
        if (group.catching.length === 0) continue
        const events = this.#encode(group, node.matched, step.previous)
        if (events !== null) this.#deliver(group.catching, events, step.through)
      }
      node.matched = []
    }
    for (const watcher of members) {
      watcher.group.catching = []
      if (watcher.state !== 'lagging') continue
      watcher.minRevision = step.through + 1
      // To the back of the queue; the next step sees whether the watcher is done.
      this.#lagging.delete(watcher)
      this.#lagging.add(watcher)
    }
    for (const watcher of members)
      if (watcher.state === 'lagging' && watcher.minRevision > this.revision) this.#settle(watcher)
  }

  #catchUpBounds(): { readonly revisionsMax: number; readonly bytesMax: number } {
    const crowded = this.blockedStreams > limits.watchBlockedStreamsMax
    const bytesMax = crowded ? limits.watchCatchUpBytesMaxBlocked : limits.watchCatchUpBytesMax
    return { revisionsMax: limits.watchCatchUpRevisionsMax, bytesMax }
  }

  /** Collects the watchers that a window of history has something for. */
  #takePart(members: Watcher[], from: Revision, through: Revision): void {
    this.#step++
    for (const watcher of this.#lagging) {
      if (watcher.minRevision < from || watcher.minRevision > through) continue
      watcher.group.node.step = this.#step
      watcher.group.catching.push(watcher)
      members.push(watcher)
    }
  }

  /** History has been read to the position of the feed: live events follow. */
  #settle(watcher: Watcher): void {
    this.#lagging.delete(watcher)
    this.#enter(watcher, 'synced')
    watcher.group.synced.add(watcher)
  }

  #answerProgress(): void {
    for (const stream of this.#progressWaiting) {
      stream.answerProgress()
      if (stream.progressWanted === null) this.#progressWaiting.delete(stream)
    }
  }
}

const isSlow = (state: Watcher['state']): boolean => state === 'lagging' || state === 'stalled'

/** Watches that stalled are not served now, and cost nobody a read. */
const isShownPrevious = (group: WatchGroup): boolean =>
  group.wantsPrevious && (group.synced.size > 0 || group.catching.length > 0)

const wantsPrevious = (touched: readonly RangeNode[]): boolean =>
  touched.some((node) => node.groups.some(isShownPrevious))

/** The superseded pairs of the matched events that someone wants them of. */
function readPrevious(view: ReadView, touched: readonly RangeNode[]): Previous {
  const previous: Previous = new Map()
  for (const node of touched) {
    if (!node.groups.some(isShownPrevious)) continue
    for (const event of node.matched) if (!previous.has(event)) previous.set(event, previousKv(view, event))
  }
  return previous
}
