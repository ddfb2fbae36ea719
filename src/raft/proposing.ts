import { noMember } from '../base/ids.ts'
import { appendOwn } from './roles.ts'
import { isMember, type Raft, send } from './state.ts'
import { type Message, MessageKind, type Proposal } from './types.ts'

/** Appends the proposals if this member leads, else passes them on to the leader. All of them, or none. */
export function propose(raft: Raft, proposals: readonly Proposal[]): 'accepted' | 'dropped' {
  if (proposals.length === 0) return 'accepted'
  if (raft.role === 'leader') return lead(raft, proposals)
  if (raft.leader === noMember) return 'dropped'
  send(raft, { kind: MessageKind.Propose, to: raft.leader, term: raft.term, proposals })
  return 'accepted'
}

/**
 * A member's proposals. They are not passed on a second time: two members that take each other for the leader would never
 * stop. Nor are they taken in another term than they were sent in, so that who sent them knows when they are lost for good:
 * an entry of a later term that is committed has all of an earlier one before it that ever will be.
 */
export function handleForwarded(raft: Raft, message: Message): 'accepted' | 'dropped' {
  const { proposals, term } = message
  if (raft.role !== 'leader' || term !== raft.term || proposals === undefined || !isMember(raft, message.from))
    return 'dropped'
  return lead(raft, proposals)
}

function lead(raft: Raft, proposals: readonly Proposal[]): 'accepted' | 'dropped' {
  // While leadership is handed over the log must not grow away from the successor.
  if (raft.transferee !== noMember) return 'dropped'
  let bytes = 0
  let confChanges = 0
  for (const proposal of proposals) {
    bytes += proposal.data.length
    if (proposal.type === 'confChange') confChanges++
  }
  // Something must always fit, however large.
  if (raft.uncommittedBytes > 0 && raft.uncommittedBytes + bytes > raft.options.uncommittedBytesMax) return 'dropped'
  if (confChanges > 1 || (confChanges === 1 && raft.confProposed > raft.confApplied)) return 'dropped'
  appendOwn(raft, proposals)
  return 'accepted'
}
