import type { WatchEvent } from '../apply/outcome.ts'
import type { Revision } from '../base/ids.ts'
import type { KeyRange } from '../base/key-range.ts'
import type { WatchStream } from './watch-stream.ts'

/** One watch. */
export interface Watcher {
  readonly id: bigint
  /** The id as it stands in every response. */
  readonly idField: Uint8Array
  readonly stream: WatchStream
  readonly group: WatchGroup
  readonly fragment: boolean
  readonly progressNotify: boolean
  /** What the client began with: it gets nothing older, and no progress before it. */
  readonly firstRevision: Revision
  /** What it is counted with in memory. */
  readonly costBytes: number
  /**
   * Nothing older is delivered. In a watcher that lags: the next revision to read from history. In a synced one the
   * revisions in between have been seen already: they had nothing for it.
   */
  minRevision: Revision
  /** `lagging` waits for history to be read, `stalled` for its stream to drain, before it is lagging again. */
  state: 'synced' | 'lagging' | 'stalled' | 'gone'
  /** Events went out since the last progress tick, so that the next notice is left out. */
  delivered: boolean
}

/** All watches that want the same events in the same form: what is encoded for one serves all. */
export interface WatchGroup {
  readonly node: RangeNode
  readonly wantsPuts: boolean
  readonly wantsDeletes: boolean
  readonly wantsPrevious: boolean
  /** Those that get live events. */
  readonly synced: Set<Watcher>
  /** Watchers in any state. */
  size: number
  /** During one step of catching up: those that take part in it. */
  catching: Watcher[]
}

/** All watches of one key range. */
export interface RangeNode {
  readonly range: KeyRange
  readonly groups: WatchGroup[]
  /** Events of the batch at hand that lie in the range. */
  matched: WatchEvent[]
  /** Number of the catch-up step that this node takes part in. */
  step: number
}

export interface GroupWish {
  readonly wantsPuts: boolean
  readonly wantsDeletes: boolean
  readonly wantsPrevious: boolean
}

export function groupOf(node: RangeNode, wish: GroupWish): WatchGroup {
  for (const group of node.groups) {
    if (
      group.wantsPuts === wish.wantsPuts &&
      group.wantsDeletes === wish.wantsDeletes &&
      group.wantsPrevious === wish.wantsPrevious
    )
      return group
  }
  const { wantsPuts, wantsDeletes, wantsPrevious } = wish
  const group = { node, wantsPuts, wantsDeletes, wantsPrevious, synced: new Set<Watcher>(), size: 0, catching: [] }
  node.groups.push(group)
  return group
}

/** Of events in the group's range, those that it wants; the same array if it wants all. */
export function wantedEvents(group: WatchGroup, events: readonly WatchEvent[]): readonly WatchEvent[] {
  if (group.wantsPuts && group.wantsDeletes) return events
  return events.filter((event) => (event.type === 'put' ? group.wantsPuts : group.wantsDeletes))
}
