import { utf8 } from '../base/bytes.ts'
import { type ClusterId, clusterId, type Index, memberId, type Revision, type Term } from '../base/ids.ts'
import type { ConfState } from '../raft/types.ts'
import { ConfState as ConfStateCodec } from '../wire/gen/internal.ts'
import { getId, getUint64, idKey, putUint64 } from './uint.ts'
import type { ReadView, WriteView } from './view.ts'

/** Named records of the `meta` table. A state that was never bootstrapped has none of them; see `apply/bootstrap.ts`. */
const names = {
  clusterId: utf8('clusterId'),
  revision: utf8('revision'),
  compactRevision: utf8('compactRevision'),
  compaction: utf8('compaction'),
  applied: utf8('applied'),
  confState: utf8('confState'),
} as const

const removedPrefix = utf8('removed/')

/** Position of one change: main revision and its place within it. */
export interface Position {
  readonly main: Revision
  readonly sub: number
}

/** @returns null in a state that was never bootstrapped. */
export function getClusterId(view: ReadView): ClusterId | null {
  const bytes = view.get('meta', names.clusterId)
  return bytes === undefined ? null : clusterId(getId(bytes, 0))
}
export const putClusterId = (view: WriteView, id: ClusterId): void => view.put('meta', names.clusterId, idKey(id))

/** Revision of the newest change; 1 in a fresh state. */
export const getRevision = (view: ReadView): Revision => getNumber(view, names.revision, 1)
export const putRevision = (view: WriteView, revision: Revision): void => putNumber(view, names.revision, revision)

/** Revisions below it are no longer readable; 0 if nothing was ever compacted. */
export const getCompactRevision = (view: ReadView): Revision => Math.max(0, getLastCompaction(view))
/** The compaction revision; -1 if nothing was ever compacted, so that a first compaction may name 0. */
export const getLastCompaction = (view: ReadView): Revision => getNumber(view, names.compactRevision, -1)
export const putCompactRevision = (view: WriteView, revision: Revision): void =>
  putNumber(view, names.compactRevision, revision)

/** Index and term of the last entry whose effects the state holds; zeros before the first. */
export function getApplied(view: ReadView): { readonly index: Index; readonly term: Term } {
  const bytes = view.get('meta', names.applied)
  return bytes === undefined ? { index: 0, term: 0 } : { index: getUint64(bytes, 0), term: getUint64(bytes, 8) }
}
export function putApplied(view: WriteView, index: Index, term: Term): void {
  const bytes = new Uint8Array(16)
  putUint64(bytes, 0, index)
  putUint64(bytes, 8, term)
  view.put('meta', names.applied, bytes)
}

/** How far the physical removal of compacted revisions has come. */
export interface CompactionProgress {
  /** All removals of the compaction to this revision are done. */
  readonly finished: Revision
  /** The changes of this revision are looked at next. */
  readonly next: Revision
}

export function getCompactionProgress(view: ReadView): CompactionProgress {
  const bytes = view.get('meta', names.compaction)
  return bytes === undefined ? { finished: 0, next: 0 } : { finished: getUint64(bytes, 0), next: getUint64(bytes, 8) }
}
export function putCompactionProgress(view: WriteView, { finished, next }: CompactionProgress): void {
  const bytes = new Uint8Array(16)
  putUint64(bytes, 0, finished)
  putUint64(bytes, 8, next)
  view.put('meta', names.compaction, bytes)
}

export function getConfState(view: ReadView): ConfState {
  const bytes = view.get('meta', names.confState)
  if (bytes === undefined) return { voters: [], learners: [] }
  const { voters, learners } = ConfStateCodec.decode(bytes)
  return { voters: voters.map(memberId), learners: learners.map(memberId) }
}
export function putConfState(view: WriteView, { voters, learners }: ConfState): void {
  view.put('meta', names.confState, ConfStateCodec.encode({ voters: [...voters], learners: [...learners] }).finish())
}

/** A removed member's id never comes back: messages of its former life could still be under way. */
export const wasRemoved = (view: ReadView, member: bigint): boolean =>
  view.get('meta', removedKey(member)) !== undefined
export const markRemoved = (view: WriteView, member: bigint): void =>
  view.put('meta', removedKey(member), Uint8Array.of(1))

const removedKey = (member: bigint): Uint8Array => Buffer.concat([removedPrefix, idKey(member)])

function getNumber(view: ReadView, name: Uint8Array, absent: number): number {
  const bytes = view.get('meta', name)
  return bytes === undefined ? absent : getUint64(bytes, 0)
}
function putNumber(view: WriteView, name: Uint8Array, value: number): void {
  const bytes = new Uint8Array(8)
  putUint64(bytes, 0, value)
  view.put('meta', name, bytes)
}
