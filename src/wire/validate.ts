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
 * etcd this also bounds the operations of all paths together, and sees a put inside a delete from a key to the end of
 * the keyspace (range_end of one NUL) and a nested put of a key that a later nested transaction deletes.
 */
export function checkTxn(request: TxnRequest, { maxTxnOps }: TxnLimits = noTxnLimits): void {
  const opsOfAll = checkTxnOps(request, maxTxnOps, 1)
  // The budget of a path says nothing of how many paths there are: they multiply with each level.
  if (opsOfAll > Math.max(maxTxnOps, limits.txnTotalOpsMax)) throw new EtcdError('tooManyOps')
  checkOverlaps(request.success)
  checkOverlaps(request.failure)
}

/** Any id is good, also a negative one, as in etcd. */
export function checkLeaseGrant(request: LeaseGrantRequest): void {
  if (request.TTL > limits.leaseTtlSecondsMax) throw new EtcdError('leaseTtlTooLarge')
}

/** @returns the compares and operations of the transaction and of all that are nested in it. */
function checkTxnOps(request: TxnRequest, opsLeft: number, depth: number): number {
  // Every level is an operation of the one above.
  if (depth > limits.txnDepthMax) throw new EtcdError('tooManyOps', { cause: 'transactions nested too deeply' })
  const ops = Math.max(request.compare.length, request.success.length, request.failure.length)
  if (ops > opsLeft) throw new EtcdError('tooManyOps')
  for (const compare of request.compare) checkCompare(compare)
  let opsOfAll = request.compare.length + request.success.length + request.failure.length
  for (const op of request.success) opsOfAll += checkOp(op, opsLeft - ops, depth)
  for (const op of request.failure) opsOfAll += checkOp(op, opsLeft - ops, depth)
  return opsOfAll
}

function checkCompare(compare: Compare): void {
  if (compare.key.length === 0) throw new EtcdError('emptyKey')
  if (!inEnum(compare.result, 3) || !inEnum(compare.target, 4)) {
    throw new EtcdError('invalidRequest', { cause: 'unknown compare target or result' })
  }
}

/** @returns the compares and operations nested in this one. */
function checkOp(op: RequestOp, opsLeft: number, depth: number): number {
  const request = op.request
  switch (request?.$case) {
    case 'request_range':
      checkRange(request.value)
      return 0
    case 'request_put':
      checkPut(request.value)
      return 0
    case 'request_delete_range':
      checkDeleteRange(request.value)
      return 0
    case 'request_txn':
      return checkTxnOps(request.value, opsLeft, depth + 1)
    default:
      // An operation without content; etcd's own choice of words.
      throw new EtcdError('keyNotFound')
  }
}

/** A decoded enum holds whatever number was on the wire. */
const inEnum = (value: number, last: number): boolean => value >= 0 && value <= last
