import { memberCaller } from '../auth/caller.ts'
import type { MemberId } from '../base/ids.ts'
import { Command_Kind, ConfChange, type ConfChange_Type, MemberRecord } from '../wire/gen/internal.ts'
import { commandData } from './proposal-data.ts'
import type { OutcomeDone } from './proposals.ts'
import type { Replica } from './replica.ts'

type Proposing = Pick<Replica, 'info' | 'proposeEntry'>

export interface MembershipChange {
  readonly type: ConfChange_Type
  readonly memberId: MemberId
  readonly member?: MemberRecord
}

/** Proposes one membership change; the outcome says whether it was accepted. */
export function proposeConfChange(replica: Proposing, change: MembershipChange, done: OutcomeDone): void {
  const encode = (id: bigint): Uint8Array =>
    ConfChange.encode({
      proposal_id: id,
      proposer_id: replica.info.memberId,
      type: change.type,
      member_id: change.memberId,
      member: change.member,
    }).finish()
  replica.proposeEntry('confChange', encode, done)
}

/** Tells the cluster this member's name and client URLs. */
export function publishMember(replica: Proposing, record: MemberRecord, done: OutcomeDone): void {
  const request = MemberRecord.encode(record).finish()
  const encode = (id: bigint): Uint8Array =>
    commandData(id, replica.info.memberId, Command_Kind.PUBLISH_MEMBER, request, memberCaller)
  replica.proposeEntry('normal', encode, done)
}
