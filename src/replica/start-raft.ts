import { limits } from '../base/limits.ts'
import type { Random } from '../base/random.ts'
import { getApplied, getConfState } from '../mvcc/meta.ts'
import { createRaft, type Raft } from '../raft/index.ts'
import type { Entry, EntryId } from '../raft/types.ts'
import type { StateStore } from './ports.ts'
import { type Recovery, recover } from './recovery.ts'
import type { ReplicaOptions } from './replica-options.ts'

export interface StartedRaft extends Pick<Recovery, 'hardState' | 'mustReset'> {
  readonly raft: Raft
  /** The newest entry that the state has. */
  readonly applied: EntryId
  /** What the log has of those that are applied; the rest comes once it is committed. */
  readonly known: readonly Entry[]
}

/** Raft as it goes on from what the last life of this member has left in state and log. */
export function startRaft(options: ReplicaOptions, state: StateStore, random: Random): StartedRaft {
  const { applied, confState } = state.read((view) => ({ applied: getApplied(view), confState: getConfState(view) }))
  const { log, hardState, mustReset } = recover(options.recovered, applied)
  const raft = createRaft({
    id: options.info.memberId,
    electionTicks: options.electionTicks,
    heartbeatTicks: 1,
    preVote: options.preVote,
    random,
    messageBytesMax: limits.raftMessageBytesMax,
    inflightMax: limits.raftInflightMax,
    uncommittedBytesMax: limits.raftUncommittedBytesMax,
    hardState,
    confState,
    applied: applied.index,
    log,
  })
  const known = log.entries.slice(0, applied.index - log.start.index)
  return { raft, hardState, applied, known, mustReset }
}
