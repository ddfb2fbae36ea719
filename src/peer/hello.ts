import type { ClusterId, MemberId } from '../base/ids.ts'
import { PeerHello, type PeerHello_Purpose } from '../wire/gen/internal.ts'
import { encodeFrame, FrameType, PeerProtocolError } from './frame.ts'
import { peerProtocolVersion } from './peer-limits.ts'

/** Why a member does not talk to another. Travels as text in the answering hello. */
export const Refusal = {
  Version: 'peer protocol version not supported',
  WrongCluster: 'wrong cluster id',
  WrongMember: 'not the member you are looking for',
  UnknownMember: 'not a member of this cluster, or not any more',
  Certificate: 'certificate does not name an address of that member',
  Binding: 'certificate is bound to another member',
} as const

export function helloFrame(
  clusterId: ClusterId,
  from: MemberId,
  to: MemberId,
  purpose: PeerHello_Purpose,
  refused = '',
) {
  const hello = { version: peerProtocolVersion, cluster_id: clusterId, from, to, purpose, refused }
  return encodeFrame(FrameType.Hello, PeerHello.encode(hello).finish())
}

/** @throws PeerProtocolError if this is not a hello. */
export function readHello(type: number, payload: Uint8Array): PeerHello {
  if (type !== FrameType.Hello) throw new PeerProtocolError(`frame of type ${type} before the hello`)
  try {
    return PeerHello.decode(payload)
  } catch (error) {
    throw new PeerProtocolError('unreadable hello', { cause: error })
  }
}

/** Whether the dialed side is who we wanted: the empty string, or why not. */
export function judgeAnswer(hello: PeerHello, clusterId: ClusterId, self: MemberId, to: MemberId): string {
  // A text of the other side ends up in our log: one line, of bounded length.
  if (hello.refused !== '') return `refused: ${hello.refused.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 200)}`
  if (hello.version !== peerProtocolVersion) return Refusal.Version
  if (hello.cluster_id !== clusterId) return Refusal.WrongCluster
  if (hello.from !== to || hello.to !== self) return Refusal.WrongMember
  return ''
}
