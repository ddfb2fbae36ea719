import { emptyBytes } from '../base/bytes.ts'
import { type MemberId, memberId } from '../base/ids.ts'
import { EtcdError } from '../errors.ts'
import { getConfState, markRemoved, putConfState, wasRemoved } from '../mvcc/meta.ts'
import type { WriteView } from '../mvcc/view.ts'
import type { ConfState, ConfChange as RaftConfChange } from '../raft/types.ts'
import { type ConfChange, ConfChange_Type, type MemberRecord } from '../wire/gen/internal.ts'
import { MemberAddResponse, MemberRemoveResponse } from '../wire/gen/rpc.ts'
import { getMember, listMembers, memberToWire, putMember, removeMember } from './members.ts'

/** More learners at a time would let a cluster grow faster than it can feed them; the number is etcd's. */
const learnersMax = 1

export interface ConfChangeResult {
  /** Null if the change asked for what already is. */
  readonly change: RaftConfChange | null
  /** Encoded MemberAddResponse, MemberRemoveResponse or MemberPromoteResponse (alike) without header. */
  readonly body: Uint8Array
}

/**
 * Changes the members table and the voters and learners.
 *
 * @throws EtcdError a refusal; nothing is changed then.
 */
export function executeConfChange(view: WriteView, request: ConfChange, wanted: boolean): ConfChangeResult {
  const id = memberId(request.member_id)
  if (wasRemoved(view, id)) throw new EtcdError('memberNotFound')
  const state = getConfState(view)
  switch (request.type) {
    case ConfChange_Type.ADD_VOTER:
    case ConfChange_Type.ADD_LEARNER:
      return add(view, state, request, id, wanted)
    case ConfChange_Type.REMOVE:
      return remove(view, state, id, wanted)
    case ConfChange_Type.PROMOTE:
      return promote(view, state, id, wanted)
    default:
      throw new EtcdError('invalidRequest', { cause: 'unknown configuration change' })
  }
}

function add(
  view: WriteView,
  state: ConfState,
  { type, member }: ConfChange,
  id: MemberId,
  wanted: boolean,
): ConfChangeResult {
  if (id === 0n || member === undefined || memberId(member.id) !== id) throw new EtcdError('invalidRequest')
  const learner = type === ConfChange_Type.ADD_LEARNER
  if (learner && state.learners.includes(id)) return { change: null, body: addBody(view, getMember(view, id), wanted) }
  if (getMember(view, id) !== null) throw new EtcdError('memberExists')
  const taken = new Set(listMembers(view).flatMap((other) => other.peer_urls))
  if (member.peer_urls.some((url) => taken.has(url))) throw new EtcdError('peerUrlExists')
  if (learner && state.learners.length >= learnersMax) throw new EtcdError('tooManyLearners')
  const record = { ...member, is_learner: learner }
  putMember(view, record)
  const { voters, learners } = state
  putConfState(view, learner ? { voters, learners: [...learners, id] } : { voters: [...voters, id], learners })
  return { change: { kind: learner ? 'addLearner' : 'addVoter', member: id }, body: addBody(view, record, wanted) }
}

function remove(view: WriteView, state: ConfState, id: MemberId, wanted: boolean): ConfChangeResult {
  if (getMember(view, id) === null) throw new EtcdError('memberNotFound')
  const others = (ids: readonly MemberId[]): MemberId[] => ids.filter((other) => other !== id)
  // A cluster without voters could never change again.
  if (others(state.voters).length === 0) throw new EtcdError('notEnoughStarted')
  removeMember(view, id)
  markRemoved(view, id)
  putConfState(view, { voters: others(state.voters), learners: others(state.learners) })
  return { change: { kind: 'remove', member: id }, body: membersBody(view, wanted) }
}

function promote(view: WriteView, state: ConfState, id: MemberId, wanted: boolean): ConfChangeResult {
  const record = getMember(view, id)
  if (record === null) throw new EtcdError('memberNotFound')
  if (!state.learners.includes(id)) throw new EtcdError('memberNotLearner')
  putMember(view, { ...record, is_learner: false })
  putConfState(view, { voters: [...state.voters, id], learners: state.learners.filter((other) => other !== id) })
  return { change: { kind: 'promote', member: id }, body: membersBody(view, wanted) }
}

function addBody(view: WriteView, record: MemberRecord | null, wanted: boolean): Uint8Array {
  if (!wanted) return emptyBytes
  const member = record === null ? undefined : memberToWire(record)
  return MemberAddResponse.encode({ header: undefined, member, members: listMembers(view).map(memberToWire) }).finish()
}

function membersBody(view: WriteView, wanted: boolean): Uint8Array {
  if (!wanted) return emptyBytes
  return MemberRemoveResponse.encode({ header: undefined, members: listMembers(view).map(memberToWire) }).finish()
}
