import { type Applied, applyEntries } from '../../src/apply/apply.ts'
import { bootstrapState } from '../../src/apply/bootstrap.ts'
import { type Caller, callerFields } from '../../src/auth/caller.ts'
import { clusterId, type MemberId, memberId } from '../../src/base/ids.ts'
import type { Entry } from '../../src/raft/types.ts'
import {
  Command,
  Command_Kind,
  ConfChange,
  type ConfChange_Type,
  type MemberRecord,
} from '../../src/wire/gen/internal.ts'
import {
  CompactionRequest,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  PutRequest,
  type RangeRequest,
  TxnRequest,
} from '../../src/wire/gen/rpc.ts'
import { NaiveView } from './naive-view.ts'

export const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1')

const none = new Uint8Array(0)

export const rangeRequest = (fields: Partial<RangeRequest>): RangeRequest => ({
  key: none,
  range_end: none,
  limit: 0n,
  revision: 0n,
  sort_order: 0,
  sort_target: 0,
  serializable: false,
  keys_only: false,
  count_only: false,
  min_mod_revision: 0n,
  max_mod_revision: 0n,
  min_create_revision: 0n,
  max_create_revision: 0n,
  ...fields,
})
export const putRequest = (fields: Partial<PutRequest>): PutRequest => ({
  key: none,
  value: none,
  lease: 0n,
  prev_kv: false,
  ignore_value: false,
  ignore_lease: false,
  ...fields,
})
export const deleteRequest = (fields: Partial<DeleteRangeRequest>): DeleteRangeRequest => ({
  key: none,
  range_end: none,
  prev_kv: false,
  ...fields,
})
export const txnRequest = (fields: Partial<TxnRequest>): TxnRequest => ({
  compare: [],
  success: [],
  failure: [],
  ...fields,
})

export const self: MemberId = memberId(7n)

/** A state of one member to which writes are applied one after the other, all answered in full. */
export class Store {
  readonly view = new NaiveView()
  index = 0

  constructor(members: readonly MemberRecord[] = [memberRecord({ id: self })]) {
    bootstrapState(this.view, { clusterId: clusterId(9n), members })
  }

  put(fields: Partial<PutRequest>): Applied {
    return this.command(Command_Kind.PUT, PutRequest.encode(putRequest(fields)).finish())
  }
  delete(fields: Partial<DeleteRangeRequest>): Applied {
    return this.command(Command_Kind.DELETE_RANGE, DeleteRangeRequest.encode(deleteRequest(fields)).finish())
  }
  txn(fields: Partial<TxnRequest>): Applied {
    return this.command(Command_Kind.TXN, TxnRequest.encode(txnRequest(fields)).finish())
  }
  compact(revision: bigint): Applied {
    return this.command(Command_Kind.COMPACT, CompactionRequest.encode({ revision, physical: false }).finish())
  }
  grant(ID: bigint, TTL: bigint): Applied {
    return this.command(Command_Kind.LEASE_GRANT, LeaseGrantRequest.encode({ ID, TTL }).finish())
  }
  revoke(ID: bigint): Applied {
    return this.command(Command_Kind.LEASE_REVOKE, LeaseRevokeRequest.encode({ ID }).finish())
  }
  command(kind: Command_Kind, request: Uint8Array): Applied {
    return this.entry({ type: 'normal', data: commandData(kind, request) })
  }
  confChange(type: ConfChange_Type, id: bigint, member?: Partial<MemberRecord>): Applied {
    const data = ConfChange.encode({
      proposal_id: 1n,
      proposer_id: self,
      type,
      member_id: id,
      member: member === undefined ? undefined : memberRecord({ id, ...member }),
    }).finish()
    return this.entry({ type: 'confChange', data })
  }
  entry({ type, data }: Pick<Entry, 'type' | 'data'>): Applied {
    this.index++
    return applyEntries(this.view, [{ term: 1, index: this.index, type, data }], () => true)[0]!
  }
}

export const memberRecord = (fields: Partial<MemberRecord>): MemberRecord => ({
  id: 0n,
  name: '',
  peer_urls: [],
  client_urls: [],
  is_learner: false,
  ...fields,
})

/** Nobody is known. */
export const anonymousCommand = {
  user_id: 0n,
  token_revision: 0n,
  by_member: false,
  token_ids: [] as Uint8Array[],
  token_issued_ms: 0n,
  groups: [] as string[],
}

export const commandData = (kind: Command_Kind, request: Uint8Array): Uint8Array =>
  Command.encode({ ...anonymousCommand, proposal_id: 1n, member_id: self, kind, request }).finish()

/** The same command from somebody else. */
export function commandBy(caller: Caller, data: Uint8Array): Uint8Array {
  const { userId, tokenRevision, byMember, tokenIds, tokenIssuedMs, groups } = callerFields(caller)
  const fields = {
    user_id: BigInt(userId),
    token_revision: BigInt(tokenRevision),
    by_member: byMember,
    token_ids: [...tokenIds],
    token_issued_ms: BigInt(tokenIssuedMs),
    groups: [...groups],
  }
  return Command.encode({ ...Command.decode(data), ...fields }).finish()
}

/** An encoded transaction of `depth` transactions, each but the innermost holding the next one. */
export function nestedTxn(depth: number): Uint8Array {
  const size = (length: number): number => (length < 0x80 ? 1 : length < 0x4000 ? 2 : length < 0x200000 ? 3 : 4)
  let length = 0
  const heads: number[][] = []
  for (let level = 1; level < depth; level++) {
    const op = 1 + size(length) + length
    heads.push([0x12, ...varint(op), 0x22, ...varint(length)])
    length = 1 + size(op) + op
  }
  return Uint8Array.from(heads.reverse().flat())
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varint(value >>> 7)]
}
