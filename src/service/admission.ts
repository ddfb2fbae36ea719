import { getMember } from '../apply/members.ts'
import { noMember } from '../base/ids.ts'
import { Code, EtcdError } from '../errors.ts'
import { varintSize } from '../wire/varint.ts'
import type { Call } from './call.ts'
import type { Member } from './member.ts'
import { StatusError } from './status-error.ts'

/** Members that are known to vote: a voter never turns into a learner again, so the answer is kept for good. */
const voters = new WeakSet<Member>()

/**
 * A learner has not caught up and answers nothing but what says so.
 *
 * @throws EtcdError notSupportedForLearner.
 */
export function refuseOnLearner(member: Member): void {
  if (voters.has(member)) return
  const record = member.read((view) => getMember(view, member.info.memberId))
  // Not in its own member table: it has not applied its own beginnings yet, which is for the read barrier to sort out.
  if (record === null) return
  if (record.is_learner) throw new EtcdError('notSupportedForLearner')
  voters.add(member)
}

/** Name and value of the request metadata by which a client insists on a leader. */
export const requireLeaderKey = 'hasleader'
export const requireLeaderValue = 'true'

/** @throws EtcdError noLeader. */
export function refuseWithoutLeader(member: Member): void {
  if (member.leader() === noMember) throw new EtcdError('noLeader')
}

/**
 * What etcd adds to a request before it measures it: a header with an id of ten bytes, and the request's own tag. Only
 * the length of the request is left out.
 */
const replicatedOverheadBytes = 15

/**
 * Carries out a write that is too large for the log not at all, instead of at the transport's mercy. Measured as etcd
 * measures it, so that the same requests pass.
 *
 * @throws EtcdError requestTooLarge.
 */
export function refuseTooLarge(member: Member, { length }: Uint8Array): void {
  if (replicatedOverheadBytes + varintSize(length) + length > member.info.maxRequestBytes) {
    throw new EtcdError('requestTooLarge')
  }
}

/**
 * Begins no work for a caller who has gone. Nobody reads the refusal.
 *
 * @throws StatusError Canceled.
 */
export function refuseEnded(call: Call): void {
  if (call.ended) throw new StatusError(Code.Canceled, 'context canceled')
}
