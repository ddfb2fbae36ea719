import { type MemberId, memberId } from '../base/ids.ts'
import { idKey } from '../mvcc/uint.ts'
import type { ReadView, WriteView } from '../mvcc/view.ts'
import { MemberRecord } from '../wire/gen/internal.ts'
import type { Member } from '../wire/gen/rpc.ts'

export function getMember(view: ReadView, id: MemberId): MemberRecord | null {
  const bytes = view.get('members', idKey(id))
  return bytes === undefined ? null : MemberRecord.decode(bytes)
}

/** All members, voters and learners, in order of their ids. */
export function listMembers(view: ReadView): MemberRecord[] {
  const members: MemberRecord[] = []
  for (const [, bytes] of view.scan('members', { start: idKey(0n), end: null }))
    members.push(MemberRecord.decode(bytes))
  return members
}

export const putMember = (view: WriteView, record: MemberRecord): void =>
  view.put('members', idKey(memberId(record.id)), MemberRecord.encode(record).finish())

export const removeMember = (view: WriteView, id: MemberId): void => view.remove('members', idKey(id))

/** A member as clients see it. */
export function memberToWire(record: MemberRecord): Member {
  return {
    ID: record.id,
    name: record.name,
    peerURLs: record.peer_urls,
    clientURLs: record.client_urls,
    isLearner: record.is_learner,
  }
}
