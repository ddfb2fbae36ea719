import { createHash } from 'node:crypto'
import { type ClusterId, clusterId, type MemberId, memberId } from '../base/ids.ts'

/** A member as the initial cluster names it. */
export interface InitialMember {
  readonly id: MemberId
  readonly name: string
  /** Sorted. */
  readonly peerUrls: readonly string[]
}

/** What all members of a new cluster work out alone, from the same flags, without talking to each other. */
export interface InitialCluster {
  readonly clusterId: ClusterId
  /** Sorted by id. */
  readonly members: readonly InitialMember[]
}

const firstEightBytes = (digest: Buffer): bigint => digest.readBigUInt64BE(0)

/**
 * Depends on peer URLs and token and not on the name, so a member that is renamed keeps its id.
 *
 * @source etcd etcdserver/api/membership/member.go: SHA-1 over the sorted peer URLs and then the cluster token.
 */
export function initialMemberId(peerUrls: readonly string[], clusterToken: string): MemberId {
  const hash = createHash('sha1')
  for (const url of peerUrls.toSorted()) hash.update(url)
  return memberId(firstEightBytes(hash.update(clusterToken).digest()))
}

/** @source etcd etcdserver/api/membership/cluster.go: SHA-1 over the ids, ascending, eight bytes each, big-endian. */
export function initialClusterId(members: readonly MemberId[]): ClusterId {
  const hash = createHash('sha1')
  for (const id of members.toSorted(ascending)) {
    const bytes = Buffer.alloc(8)
    bytes.writeBigUInt64BE(id)
    hash.update(bytes)
  }
  return clusterId(firstEightBytes(hash.digest()))
}

/** @param peerUrlsByName `MemberConfig.initialCluster`. */
export function bootstrapCluster(
  peerUrlsByName: ReadonlyMap<string, readonly string[]>,
  clusterToken: string,
): InitialCluster {
  const members = [...peerUrlsByName]
    .map(([name, peerUrls]) => ({
      id: initialMemberId(peerUrls, clusterToken),
      name,
      peerUrls: peerUrls.toSorted(),
    }))
    .sort((a, b) => ascending(a.id, b.id))
  return { clusterId: initialClusterId(members.map((member) => member.id)), members }
}

const ascending = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)
