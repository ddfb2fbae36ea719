import { noMember } from '../base/ids.ts'
import { changeConfState } from './conf-change.ts'
import { nextConfChange } from './log.ts'
import { confirmReads } from './read-index.ts'
import { advanceCommit } from './replication.ts'
import { addProgress, becomeFollower } from './roles.ts'
import { isMember, isVoter, type Raft } from './state.ts'
import type { ConfChange } from './types.ts'

/** The next committed configuration change has been applied: it counts from now on. */
export function handleConfChangeApplied(raft: Raft, change: ConfChange | null): void {
  const { log } = raft
  raft.confApplied = nextConfChange(log, raft.confApplied, log.delivered) ?? raft.confApplied
  const before = raft.conf
  if (change !== null) raft.conf = changeConfState(before, change)
  if (raft.conf === before) return
  if (raft.role === 'leader') adoptAsLeader(raft)
  else if (raft.role !== 'follower' && !isVoter(raft, raft.id)) becomeFollower(raft, raft.term, noMember)
}

function adoptAsLeader(raft: Raft): void {
  const { conf, progress } = raft
  // Its removal was committed under the old configuration by those who stay; they elect their own (thesis 4.2.2).
  if (!isVoter(raft, raft.id)) return becomeFollower(raft, raft.term, noMember)
  for (const id of conf.voters) if (!progress.has(id)) addProgress(raft, id)
  for (const id of conf.learners) if (!progress.has(id)) addProgress(raft, id)
  for (const id of progress.keys()) if (!isMember(raft, id)) progress.delete(id)
  if (!isVoter(raft, raft.transferee)) raft.transferee = noMember
  // A smaller majority may already hold more, and may already have confirmed reads.
  advanceCommit(raft)
  confirmReads(raft)
  raft.appendsDue = true
}
