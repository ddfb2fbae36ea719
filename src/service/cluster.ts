import { listMembers, memberToWire } from '../apply/members.ts'
import { MemberListRequest, MemberListResponse } from '../wire/gen/rpc.ts'
import { decodeRequest } from './decode.ts'
import type { Member } from './member.ts'
import { respond } from './respond.ts'

/** The header's revision is then left out. */
const noRevision = 0

/** In order of their ids. The header has no revision, as in etcd 3.4. */
export async function memberList(member: Member, bytes: Uint8Array): Promise<Uint8Array> {
  // 3.5 clients ask for a linearizable list; 3.4 ones do not know the field and get the local one.
  if (decodeRequest(MemberListRequest, bytes).linearizable) await member.readBarrier()
  const body = MemberListResponse.encode({
    header: undefined,
    members: member.read(listMembers).map(memberToWire),
  }).finish()
  return respond(member, noRevision, body)
}
