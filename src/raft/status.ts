import type { Index, MemberId, Term } from '../base/ids.ts'
import { isActive, type ProgressState } from './progress.ts'
import type { Raft } from './state.ts'
import type { ConfState, Role } from './types.ts'

export interface MemberProgress {
  readonly match: Index
  readonly next: Index
  readonly state: ProgressState
  /** The leader's ticks since it was heard from last. */
  readonly silentTicks: number
  /** That was about an election timeout ago at most. */
  readonly recentActive: boolean
}

export interface RaftStatus {
  readonly id: MemberId
  readonly role: Role
  readonly leader: MemberId
  readonly term: Term
  readonly commit: Index
  readonly applied: Index
  readonly lastIndex: Index
  /** Index of the first entry in memory; `lastIndex + 1` if there is none. */
  readonly firstIndex: Index
  readonly confState: ConfState
  /** Whom leadership is being handed to, or nobody. */
  readonly transferee: MemberId
  /** Every member as the leader sees it, itself included; null on others. */
  readonly progress: ReadonlyMap<MemberId, MemberProgress> | null
}

export function raftStatus(raft: Raft): RaftStatus {
  const { log } = raft
  return {
    id: raft.id,
    role: raft.role,
    leader: raft.leader,
    term: raft.term,
    commit: log.commit,
    applied: log.applied,
    lastIndex: log.lastIndex,
    firstIndex: log.start.index + 1,
    confState: raft.conf,
    transferee: raft.transferee,
    progress: raft.role === 'leader' ? copyProgress(raft) : null,
  }
}

function copyProgress({ progress, options }: Raft): Map<MemberId, MemberProgress> {
  const copy = new Map<MemberId, MemberProgress>()
  for (const [id, each] of progress) {
    const { match, next, state, silentTicks } = each
    copy.set(id, { match, next, state, silentTicks, recentActive: isActive(each, options.electionTicks) })
  }
  return copy
}
