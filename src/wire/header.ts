import { emptyBytes } from '../base/bytes.ts'
import type { ClusterId, MemberId, Revision, Term } from '../base/ids.ts'
import { highHalf, lowHalf, varint64Size, varintSize, writeVarint, writeVarint64 } from './varint.ts'

let cachedCluster: bigint = 0n
let cachedMember: bigint = 0n
/** The encoded ids of the last caller: a process nearly always answers for one member only. */
let cachedIds: Uint8Array = emptyBytes

/**
 * Field 1 (`header`) of every response, with tag and length, to be put in front of a body.
 * Zero fields are left out, as proto3 wants it.
 */
export function encodeHeader(clusterId: ClusterId, memberId: MemberId, revision: Revision, term: Term): Uint8Array {
  if (clusterId !== cachedCluster || memberId !== cachedMember) {
    cachedIds = encodeIds(clusterId, memberId)
    cachedCluster = clusterId
    cachedMember = memberId
  }
  const ids = cachedIds
  const length = ids.length + (revision === 0 ? 0 : 1 + varintSize(revision)) + (term === 0 ? 0 : 1 + varintSize(term))
  const header = Buffer.allocUnsafe(2 + length)
  header[0] = 0x0a
  // At most 22 + 9 + 9 bytes, so the length is always one byte.
  header[1] = length
  header.set(ids, 2)
  let at = 2 + ids.length
  if (revision !== 0) {
    header[at] = 0x18
    at = writeVarint(header, at + 1, revision)
  }
  if (term !== 0) {
    header[at] = 0x20
    writeVarint(header, at + 1, term)
  }
  return header
}

function encodeIds(cluster: bigint, member: bigint): Uint8Array {
  const size = (id: bigint): number => (id === 0n ? 0 : 1 + varint64Size(highHalf(id), lowHalf(id)))
  const ids = new Uint8Array(size(cluster) + size(member))
  let at = 0
  if (cluster !== 0n) {
    ids[at] = 0x08
    at = writeVarint64(ids, at + 1, highHalf(cluster), lowHalf(cluster))
  }
  if (member !== 0n) {
    ids[at] = 0x10
    writeVarint64(ids, at + 1, highHalf(member), lowHalf(member))
  }
  return ids
}
