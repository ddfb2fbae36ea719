/** Raft log position, 1-based; 0 is "before the first entry". Safe integer. */
export type Index = number
/** Raft term; 0 before any election. Safe integer. */
export type Term = number
/** MVCC main revision; a fresh store is at 1. Safe integer. */
export type Revision = number

declare const brand: unique symbol
type Branded<T, Name extends string> = T & { readonly [brand]: Name }

/** Unsigned 64-bit. `noMember` (0) stands for "nobody". */
export type MemberId = Branded<bigint, 'member'>
/** Unsigned 64-bit. */
export type ClusterId = Branded<bigint, 'cluster'>
/** Signed 64-bit TTL lease id, never 0: that is `noLease`. Ids chosen here are positive. */
export type LeaseId = Branded<bigint, 'lease'>

export const noMember = 0n as MemberId
export const noLease = 0n as LeaseId

export const memberId = (value: bigint): MemberId => BigInt.asUintN(64, value) as MemberId
export const clusterId = (value: bigint): ClusterId => BigInt.asUintN(64, value) as ClusterId
export const leaseId = (value: bigint): LeaseId => BigInt.asIntN(64, value) as LeaseId

/** Ids are shown as etcd shows them: lower-case hex without leading zeros. */
export const formatId = (id: bigint): string => BigInt.asUintN(64, id).toString(16)
