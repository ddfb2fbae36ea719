import { limits } from '../base/limits.ts'
import { EtcdError } from '../errors.ts'
import type {
  Compare,
  DeleteRangeRequest,
  LeaseGrantRequest,
  PutRequest,
  RangeRequest,
  RequestOp,
  TxnRequest,
} from './gen/rpc.ts'
import { checkOverlaps } from './txn-overlap.ts'

/**
 * What makes a client request acceptable whatever the state of the store. Checked where a request is accepted and,
 * for writes, again where it is applied: members must agree without trusting the member that accepted it.
 * All throw EtcdError.
 */

export function checkRange(request: RangeRequest): void {
  if (request.key.length === 0) throw new EtcdError('emptyKey')
  if (!inEnum(request.sort_order, 2) || !inEnum(request.sort_target, 4)) throw new EtcdError('invalidSortOption')
}

export function checkPut(request: PutRequest): void {
  if (request.key.length === 0) throw new EtcdError('emptyKey')
  if (request.ignore_value && request.value.length !== 0) throw new EtcdError('valueProvided')
  if (request.ignore_lease && request.lease !== 0n) throw new EtcdError('leaseProvided')
}

export function checkDeleteRange(request: DeleteRangeRequest): void {
  if (request.key.length === 0) throw new EtcdError('emptyKey')
}

export interface TxnLimits {
  /** Most compares, success or failure operations on any path; a nested transaction gets what its parents left over. */
  readonly maxTxnOps: number
}

/** At apply there is no limit on operations: it is a flag of the accepting member, and members may differ in it. */
const noTxnLimits: TxnLimits = { maxTxnOps: Number.POSITIVE_INFINITY }

/**
 * Besides the rules of the single operations: the operation limit, nesting, and no key written twice on one path. Unlike
 * etcd this also sees a put inside a delete from a key to the end of the keyspace (range_end of one NUL).
 */
export function checkTxn(request: TxnRequest, { maxTxnOps }: TxnLimits = noTxnLimits): void {
  checkTxnOps(request, maxTxnOps, 1)
  checkOverlaps(request.success)
  checkOverlaps(request.failure)
}

/** Any id is good, also a negative one, as in etcd. */
export function checkLeaseGrant(request: LeaseGrantRequest): void {
  if (request.TTL > limits.leaseTtlSecondsMax) throw new EtcdError('leaseTtlTooLarge')
}

function checkTxnOps(request: TxnRequest, opsLeft: number, depth: number): void {
  // Every level is an operation of the one above.
  if (depth > limits.txnDepthMax) throw new EtcdError('tooManyOps', { cause: 'transactions nested too deeply' })
  const ops = Math.max(request.compare.length, request.success.length, request.failure.length)
  if (ops > opsLeft) throw new EtcdError('tooManyOps')
  for (const compare of request.compare) checkCompare(compare)
  for (const op of request.success) checkOp(op, opsLeft - ops, depth)
  for (const op of request.failure) checkOp(op, opsLeft - ops, depth)
}

function checkCompare(compare: Compare): void {
  if (compare.key.length === 0) throw new EtcdError('emptyKey')
  if (!inEnum(compare.result, 3) || !inEnum(compare.target, 4)) {
    throw new EtcdError('invalidRequest', { cause: 'unknown compare target or result' })
  }
}

function checkOp(op: RequestOp, opsLeft: number, depth: number): void {
  const request = op.request
  switch (request?.$case) {
    case 'request_range':
      return checkRange(request.value)
    case 'request_put':
      return checkPut(request.value)
    case 'request_delete_range':
      return checkDeleteRange(request.value)
    case 'request_txn':
      return checkTxnOps(request.value, opsLeft, depth + 1)
    default:
      // An operation without content; etcd's own choice of words.
      throw new EtcdError('keyNotFound')
  }
}

/** A decoded enum holds whatever number was on the wire. */
const inEnum = (value: number, last: number): boolean => value >= 0 && value <= last
