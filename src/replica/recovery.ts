import { assert } from '../base/assert.ts'
import { noMember } from '../base/ids.ts'
import type { RaftOptions } from '../raft/index.ts'
import type { EntryId } from '../raft/types.ts'
import type { RecoveredLog } from './ports.ts'

/**
 * The recovered log and hard state as seen from the state. A state that is ahead of its log was installed from a
 * snapshot just before the process died (see `Replica`'s install): the log then begins after it.
 */
export function recover(recovered: RecoveredLog, applied: EntryId): Pick<RaftOptions, 'log' | 'hardState'> {
  const { start, entries, hardState } = recovered
  if (hardState.term === 0 && applied.index > 0) {
    throw new Error('the write-ahead log is missing, but the state is not: votes would be forgotten')
  }
  assert(start.index <= applied.index, `log starts at ${start.index}, beyond the applied index ${applied.index}`)
  const last = entries[entries.length - 1] ?? start
  const atApplied = applied.index === start.index ? start : entries[applied.index - start.index - 1]
  if (applied.index === 0 || (last.index >= applied.index && atApplied?.term === applied.term)) {
    return { log: { start, entries }, hardState }
  }
  const term = Math.max(hardState.term, applied.term)
  const vote = term === hardState.term ? hardState.vote : noMember
  return { log: { start: applied, entries: [] }, hardState: { term, vote, commit: applied.index } }
}
