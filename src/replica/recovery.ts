import { assert } from '../base/assert.ts'
import { noMember } from '../base/ids.ts'
import type { RaftOptions } from '../raft/index.ts'
import type { EntryId } from '../raft/types.ts'
import type { RecoveredLog } from './ports.ts'

export interface Recovery extends Pick<RaftOptions, 'log' | 'hardState'> {
  /** What the log on disk holds is void: it must be reset to `log.start` before anything is appended. */
  readonly mustReset: boolean
}

/**
 * The recovered log and hard state as seen from the state. A state that is ahead of its log, or of another history, was
 * installed from a snapshot just before the process died (`SnapshotInstall`): the log then begins after it.
 */
export function recover(recovered: RecoveredLog, applied: EntryId): Recovery {
  const { start, entries, hardState } = recovered
  if (hardState.term === 0 && applied.index > 0) {
    throw new Error('the write-ahead log is missing, but the state is not: votes would be forgotten')
  }
  assert(start.index <= applied.index, `log starts at ${start.index}, beyond the applied index ${applied.index}`)
  const last = entries[entries.length - 1] ?? start
  const atApplied = applied.index === start.index ? start : entries[applied.index - start.index - 1]
  if (applied.index === 0 || (last.index >= applied.index && atApplied?.term === applied.term)) {
    // The commit index on disk is not believed: it may have been written with entries that were not.
    return { log: { start, entries }, hardState: { ...hardState, commit: applied.index }, mustReset: false }
  }
  const term = Math.max(hardState.term, applied.term)
  const vote = term === hardState.term ? hardState.vote : noMember
  const begin = { term, vote, commit: applied.index }
  return { log: { start: applied, entries: [] }, hardState: begin, mustReset: true }
}
