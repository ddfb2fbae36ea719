import type { LeaseId } from '../base/ids.ts'
import { leaseId } from '../base/ids.ts'
import { type KeyRange, pointRange, rangeFromWire } from '../base/key-range.ts'
import type { DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest } from '../wire/gen/rpc.ts'
import type { Capability } from './built-in-roles.ts'

/** One thing that a request does to keys. Of a lease: to every key that is attached to it. */
export type Need =
  | { readonly kind: 'read'; readonly range: KeyRange }
  | { readonly kind: 'write'; readonly range: KeyRange }
  | { readonly kind: 'readLease'; readonly lease: LeaseId }
  | { readonly kind: 'writeLease'; readonly lease: LeaseId }
  /** To have to do with leases at all: whoever is known may, but for tokens that are not for it. */
  | { readonly kind: 'lease' }

/** What a request needs its caller to be allowed. */
export type Operation =
  /** Everybody may. */
  | { readonly kind: 'open' }
  /** Whoever is known may, whatever it shows. */
  | { readonly kind: 'known' }
  /** Whoever is known may, but for tokens that are not for it. */
  | { readonly kind: 'identity' }
  /** Roles that are there for it may. */
  | { readonly kind: 'capability'; readonly capability: Capability }
  /** The root role may. */
  | { readonly kind: 'root' }
  /** The cluster's own business. */
  | { readonly kind: 'member' }
  /** That user may, and who audits. */
  | { readonly kind: 'user'; readonly name: string }
  /** Users with that role may, and who audits. */
  | { readonly kind: 'role'; readonly name: string }
  /** Whoever is known and has all of it may. */
  | { readonly kind: 'keys'; readonly needs: readonly Need[] }

export const open: Operation = { kind: 'open' }
export const known: Operation = { kind: 'known' }
export const identity: Operation = { kind: 'identity' }
export const root: Operation = { kind: 'root' }
export const memberOnly: Operation = { kind: 'member' }
export const monitoring: Operation = { kind: 'capability', capability: 'monitor' }
export const backingUp: Operation = { kind: 'capability', capability: 'backup' }
export const operating: Operation = { kind: 'capability', capability: 'operate' }
export const auditing: Operation = { kind: 'capability', capability: 'audit' }

const keys = (needs: readonly Need[]): Operation => ({ kind: 'keys', needs })

export const reading = (range: KeyRange): Operation => keys([{ kind: 'read', range }])
export const usingLeases: Operation = keys([{ kind: 'lease' }])
export const readingLease = (lease: LeaseId): Operation => keys([{ kind: 'lease' }, { kind: 'readLease', lease }])
/** What it takes to stand in a queue of keys with a key of a lease: see `service/turn-queue.ts`. */
export const waiting = (queue: KeyRange, key: Uint8Array, lease: LeaseId): Operation =>
  keys([
    { kind: 'read', range: queue },
    { kind: 'write', range: pointRange(key) },
    { kind: 'writeLease', lease },
  ])
export const writingLease = (lease: LeaseId): Operation => keys([{ kind: 'lease' }, { kind: 'writeLease', lease }])

export const writingLeases = (leases: Iterable<LeaseId>): Operation =>
  keys(Array.from(leases, (lease) => ({ kind: 'writeLease', lease })))

export const rangeOperation = (request: RangeRequest): Operation => keys(rangeNeeds(request))
export const putOperation = (request: PutRequest): Operation => keys(putNeeds(request))
export const deleteOperation = (request: DeleteRangeRequest): Operation => keys(deleteNeeds(request))

/** A transaction needs what each of its compares and operations would need alone, on all branches and at all depths. */
export function txnOperation(request: TxnRequest): Operation {
  const needs: Need[] = []
  addTxnNeeds(needs, request)
  return keys(needs)
}

const rangeNeeds = ({ key, range_end }: RangeRequest): Need[] => [
  { kind: 'read', range: rangeFromWire(key, range_end) },
]

/**
 * Who attaches a key to a lease could not end that lease, or could have others' keys end with it, unless all keys of the
 * lease are theirs to write.
 */
function putNeeds({ key, lease, prev_kv }: PutRequest): Need[] {
  const range = pointRange(key)
  const needs: Need[] = [{ kind: 'write', range }]
  if (prev_kv) needs.push({ kind: 'read', range })
  if (lease !== 0n) needs.push({ kind: 'writeLease', lease: leaseId(lease) })
  return needs
}

function deleteNeeds({ key, range_end, prev_kv }: DeleteRangeRequest): Need[] {
  const range = rangeFromWire(key, range_end)
  return prev_kv
    ? [
        { kind: 'write', range },
        { kind: 'read', range },
      ]
    : [{ kind: 'write', range }]
}

function addTxnNeeds(needs: Need[], { compare, success, failure }: TxnRequest): void {
  for (const { key, range_end } of compare) needs.push({ kind: 'read', range: rangeFromWire(key, range_end) })
  for (const op of success) addOpNeeds(needs, op)
  for (const op of failure) addOpNeeds(needs, op)
}

function addOpNeeds(needs: Need[], { request }: RequestOp): void {
  switch (request?.$case) {
    case 'request_range':
      needs.push(...rangeNeeds(request.value))
      break
    case 'request_put':
      needs.push(...putNeeds(request.value))
      break
    case 'request_delete_range':
      needs.push(...deleteNeeds(request.value))
      break
    case 'request_txn':
      addTxnNeeds(needs, request.value)
      break
    case undefined:
      break
  }
}
