import {
  AlarmRequest,
  AuthRoleGetRequest,
  AuthUserGetRequest,
  CompactionRequest,
  type Compare,
  DeleteRangeRequest,
  LeaseGrantRequest,
  LeaseRevokeRequest,
  LeaseTimeToLiveRequest,
  PutRequest,
  RangeRequest,
  type RequestOp,
  TxnRequest,
} from '../../src/wire/gen/rpc.ts'
import { bytes, deleteRequest, putRequest, rangeRequest, txnRequest } from '../support/commands.ts'
import { describeRange, hasKey, type WireRange } from './keys.ts'
import type { Deed, Need } from './rules.ts'

/** One operation on keys. `value` is no other put's. */
export type Op =
  | { readonly kind: 'range'; readonly range: WireRange }
  | {
      readonly kind: 'put'
      readonly key: string
      readonly value: string
      readonly previous: boolean
      readonly lease: number | null
    }
  | { readonly kind: 'delete'; readonly range: WireRange; readonly previous: boolean }
  | {
      readonly kind: 'txn'
      readonly compares: readonly WireRange[]
      /** Whether the compares are such as always hold, or such as never do; without any they hold. */
      readonly holds: boolean
      readonly success: readonly Op[]
      readonly failure: readonly Op[]
    }

export type Request =
  | Op
  | { readonly kind: 'leaseGrant' | 'leaseRevoke' | 'leaseKeys'; readonly lease: number }
  | { readonly kind: 'userGet'; readonly user: string }
  | { readonly kind: 'roleGet'; readonly role: string }
  | { readonly kind: 'userList' | 'roleList' | 'memberList' | 'status' | 'alarmList' | 'compact' }

export function deedOf(request: Request): Deed {
  switch (request.kind) {
    case 'range':
    case 'put':
    case 'delete':
    case 'txn':
      return { kind: 'keys', needs: needsOf(request) }
    case 'leaseGrant':
      return { kind: 'keys', needs: [{ verb: 'lease' }] }
    case 'leaseRevoke':
      return { kind: 'keys', needs: [{ verb: 'lease' }, { verb: 'writeLease', lease: request.lease }] }
    case 'leaseKeys':
      return { kind: 'keys', needs: [{ verb: 'lease' }, { verb: 'readLease', lease: request.lease }] }
    case 'userGet':
    case 'roleGet':
      return request
    case 'userList':
    case 'roleList':
      return { kind: 'capability', capability: 'audit' }
    case 'compact':
      return { kind: 'capability', capability: 'operate' }
    default:
      return { kind: 'identity' }
  }
}

function needsOf(op: Op): Need[] {
  switch (op.kind) {
    case 'range':
      return [{ verb: 'read', range: op.range }]
    case 'put': {
      const range = { key: op.key, end: '' }
      return [
        { verb: 'write', range },
        ...(op.previous ? [{ verb: 'read', range } as const] : []),
        ...(op.lease === null ? [] : [{ verb: 'writeLease', lease: op.lease } as const]),
      ]
    }
    case 'delete':
      return [{ verb: 'write', range: op.range }, ...(op.previous ? [{ verb: 'read', range: op.range } as const] : [])]
    case 'txn':
      return [
        ...op.compares.map((range) => ({ verb: 'read', range }) as const),
        ...[...op.success, ...op.failure].flatMap(needsOf),
      ]
  }
}

/** Which lease each key is attached to. */
export type Attachments = Map<string, number>

/** What becomes of the attachments when a request has been carried out. */
export function attach(attachments: Attachments, request: Request): void {
  switch (request.kind) {
    case 'put':
      if (request.lease === null) attachments.delete(request.key)
      else attachments.set(request.key, request.lease)
      break
    case 'delete':
      for (const key of [...attachments.keys()]) if (hasKey(request.range, key)) attachments.delete(key)
      break
    case 'txn':
      for (const op of request.holds ? request.success : request.failure) attach(attachments, op)
      break
    case 'leaseRevoke':
      for (const [key, lease] of [...attachments]) if (lease === request.lease) attachments.delete(key)
      break
    default:
      break
  }
}

/** The values that a request writes when it is carried out. */
export function valuesOf(request: Request): { readonly written: string[]; readonly never: string[] } {
  if (request.kind === 'put') return { written: [request.value], never: [] }
  if (request.kind !== 'txn') return { written: [], never: [] }
  const taken = (request.holds ? request.success : request.failure).map(valuesOf)
  const left = (request.holds ? request.failure : request.success).map(valuesOf)
  return {
    written: taken.flatMap(({ written }) => written),
    never: [...taken.flatMap(({ never }) => never), ...left.flatMap(({ written, never }) => [...written, ...never])],
  }
}

export const isWrite = (request: Request): boolean =>
  ['put', 'delete', 'txn', 'leaseGrant', 'leaseRevoke', 'compact'].includes(request.kind)

const leaseTtlSeconds = 3600n
export const leaseIdOf = (lease: number): bigint => BigInt(1000 + lease)

const wire = ({ key, end }: WireRange): { key: Uint8Array; range_end: Uint8Array } => ({
  key: bytes(key),
  range_end: bytes(end),
})

const rangeOf = ({ range }: { readonly range: WireRange }): RangeRequest => rangeRequest(wire(range))
const putOf = ({ key, value, previous, lease }: Extract<Op, { kind: 'put' }>): PutRequest =>
  putRequest({
    ...{ key: bytes(key), value: bytes(value), prev_kv: previous },
    lease: lease === null ? 0n : leaseIdOf(lease),
  })
const deleteOf = ({ range, previous }: Extract<Op, { kind: 'delete' }>): DeleteRangeRequest =>
  deleteRequest({ ...wire(range), prev_kv: previous })

function txnOf({ compares, holds, success, failure }: Extract<Op, { kind: 'txn' }>): TxnRequest {
  // No key has a version below 0, and one that is missing has 0.
  const compare = (range: WireRange): Compare => ({
    ...{ result: holds ? 1 : 2, target: 0, ...wire(range) },
    target_union: { $case: 'version', value: holds ? -1n : 0n },
  })
  return txnRequest({ compare: compares.map(compare), success: success.map(opOf), failure: failure.map(opOf) })
}

function opOf(op: Op): RequestOp {
  switch (op.kind) {
    case 'range':
      return { request: { $case: 'request_range', value: rangeOf(op) } }
    case 'put':
      return { request: { $case: 'request_put', value: putOf(op) } }
    case 'delete':
      return { request: { $case: 'request_delete_range', value: deleteOf(op) } }
    case 'txn':
      return { request: { $case: 'request_txn', value: txnOf(op) } }
  }
}

const nothing = new Uint8Array(0)

/** The method's path and the encoded message. */
export function encode(request: Request): readonly [path: string, message: Uint8Array] {
  switch (request.kind) {
    case 'range':
      return ['/etcdserverpb.KV/Range', RangeRequest.encode(rangeOf(request)).finish()]
    case 'put':
      return ['/etcdserverpb.KV/Put', PutRequest.encode(putOf(request)).finish()]
    case 'delete':
      return ['/etcdserverpb.KV/DeleteRange', DeleteRangeRequest.encode(deleteOf(request)).finish()]
    case 'txn':
      return ['/etcdserverpb.KV/Txn', TxnRequest.encode(txnOf(request)).finish()]
    case 'compact':
      // The revision before the first write, which nobody asks for.
      return ['/etcdserverpb.KV/Compact', CompactionRequest.encode({ revision: 1n, physical: false }).finish()]
    case 'leaseGrant': {
      const message = LeaseGrantRequest.encode({ ID: leaseIdOf(request.lease), TTL: leaseTtlSeconds })
      return ['/etcdserverpb.Lease/LeaseGrant', message.finish()]
    }
    case 'leaseRevoke':
      return ['/etcdserverpb.Lease/LeaseRevoke', LeaseRevokeRequest.encode({ ID: leaseIdOf(request.lease) }).finish()]
    case 'leaseKeys': {
      const message = LeaseTimeToLiveRequest.encode({ ID: leaseIdOf(request.lease), keys: true })
      return ['/etcdserverpb.Lease/LeaseTimeToLive', message.finish()]
    }
    case 'userGet':
      return ['/etcdserverpb.Auth/UserGet', AuthUserGetRequest.encode({ name: request.user }).finish()]
    case 'roleGet':
      return ['/etcdserverpb.Auth/RoleGet', AuthRoleGetRequest.encode({ role: request.role }).finish()]
    case 'userList':
      return ['/etcdserverpb.Auth/UserList', nothing]
    case 'roleList':
      return ['/etcdserverpb.Auth/RoleList', nothing]
    case 'memberList':
      return ['/etcdserverpb.Cluster/MemberList', nothing]
    case 'status':
      return ['/etcdserverpb.Maintenance/Status', nothing]
    case 'alarmList':
      return ['/etcdserverpb.Maintenance/Alarm', AlarmRequest.encode({ action: 0, memberID: 0n, alarm: 0 }).finish()]
  }
}

export function describe(request: Request): string {
  switch (request.kind) {
    case 'range':
      return `range ${describeRange(request.range)}`
    case 'put': {
      const { key, value, previous, lease } = request
      const lent = lease === null ? '' : ` lease ${lease}`
      return `put ${describeRange({ key, end: '' })}=${value}${previous ? ' prev' : ''}${lent}`
    }
    case 'delete':
      return `delete ${describeRange(request.range)}${request.previous ? ' prev' : ''}`
    case 'txn': {
      const { compares, holds, success, failure } = request
      const all = (ops: readonly Op[]): string => ops.map(describe).join('; ')
      return `txn if ${holds} of ${compares.map(describeRange).join(' ')} (${all(success)}) else (${all(failure)})`
    }
    case 'leaseGrant':
    case 'leaseRevoke':
    case 'leaseKeys':
      return `${request.kind} ${request.lease}`
    case 'userGet':
      return `userGet ${request.user}`
    case 'roleGet':
      return `roleGet ${request.role}`
    default:
      return request.kind
  }
}
