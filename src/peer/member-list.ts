import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire'
import { type MemberId, memberId } from '../base/ids.ts'
import { MemberRecord } from '../wire/gen/internal.ts'
import { PeerProtocolError } from './frame.ts'

/** Every member of a cluster, by id. The name is empty or absent until the member has told it. */
export type PeerMembers = ReadonlyMap<MemberId, { readonly peerUrls: readonly string[]; readonly name?: string }>

const listBytesMax = 64 * 1024
const membersMax = 100
/** Field 1, length-delimited: repeated MemberRecord, of which only id, name and peer URLs are set. */
const memberTag = 10

export function encodeMemberList(members: PeerMembers): Uint8Array {
  const writer = new BinaryWriter()
  for (const [id, { peerUrls, name = '' }] of members) {
    const record = { id, name, peer_urls: [...peerUrls], client_urls: [], is_learner: false }
    MemberRecord.encode(record, writer.uint32(memberTag).fork()).join()
  }
  return writer.finish()
}

/** @throws PeerProtocolError */
export function decodeMemberList(payload: Uint8Array): PeerMembers {
  if (payload.length > listBytesMax) throw new PeerProtocolError(`member list of ${payload.length} bytes`)
  const members = new Map<MemberId, { peerUrls: readonly string[]; name?: string }>()
  try {
    const reader = new BinaryReader(payload)
    while (reader.pos < reader.len) {
      const tag = reader.uint32()
      if (tag !== memberTag) throw new PeerProtocolError(`field ${tag} in a member list`)
      const { id, name, peer_urls } = MemberRecord.decode(reader, reader.uint32())
      members.set(memberId(id), name === '' ? { peerUrls: peer_urls } : { peerUrls: peer_urls, name })
    }
  } catch (error) {
    throw new PeerProtocolError('unreadable member list', { cause: error })
  }
  if (members.size > membersMax) throw new PeerProtocolError(`member list of ${members.size} members`)
  return members
}
