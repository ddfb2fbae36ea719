import { EtcdError } from '../../src/errors.ts'
import type { Compare, RangeRequest, RequestOp, TxnRequest } from '../../src/wire/gen/rpc.ts'
import { checkOverlaps } from '../../src/wire/txn-overlap.ts'
import { isRefusedByEtcd } from './etcd-overlap.ts'
import type { MethodName } from './step.ts'

export function txnsOf(method: MethodName, message: unknown): TxnRequest[] {
  const found: TxnRequest[] = []
  const collect = (txn: TxnRequest): void => {
    found.push(txn)
    for (const { request } of [...txn.success, ...txn.failure])
      if (request?.$case === 'request_txn') collect(request.value)
  }
  if (method === 'Txn') collect(message as TxnRequest)
  return found
}

export function rangesOf(method: MethodName, message: unknown): RangeRequest[] {
  if (method === 'Range') return [message as RangeRequest]
  return txnsOf(method, message).flatMap((txn) =>
    [...txn.success, ...txn.failure].flatMap(({ request }) =>
      request?.$case === 'request_range' ? [request.value] : [],
    ),
  )
}

const isBeyond = (value: number, last: number): boolean => value < 0 || value > last

export const hasUnknownSort = ({ sort_order, sort_target }: RangeRequest): boolean =>
  isBeyond(sort_order, 2) || isBeyond(sort_target, 4)

export const hasUnknownCompare = ({ result, target }: Compare): boolean => isBeyond(result, 3) || isBeyond(target, 4)

const branchesOf = (method: MethodName, message: unknown): RequestOp[][] => {
  if (method !== 'Txn') return []
  const { success, failure } = message as TxnRequest
  return [success, failure]
}

/** Whether etcd would refuse one of the branches too if it took a lone NUL for the end of the keyspace. */
export const isOpenDeleteUnseen = (method: MethodName, message: unknown): boolean =>
  !isRefusedThere(method, message, false) && isRefusedThere(method, message, true)

export const isNestedDeleteUnseen = (method: MethodName, message: unknown): boolean =>
  !isRefusedThere(method, message, true) && branchesOf(method, message).some(isRefusedHere)

const isRefusedThere = (method: MethodName, message: unknown, seesOpenDeletes: boolean): boolean =>
  branchesOf(method, message).some((branch) => isRefusedByEtcd(branch, seesOpenDeletes))

function isRefusedHere(branch: readonly RequestOp[]): boolean {
  try {
    checkOverlaps(branch)
    return false
  } catch (error) {
    if (error instanceof EtcdError) return true
    throw error
  }
}

export function depthOf(txn: TxnRequest): number {
  let deepest = 0
  for (const { request } of [...txn.success, ...txn.failure]) {
    if (request?.$case === 'request_txn') deepest = Math.max(deepest, depthOf(request.value))
  }
  return deepest + 1
}
