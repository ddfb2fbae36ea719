import { unreachable } from '../base/assert.ts'
import type { LeaseId } from '../base/ids.ts'
import type { EtcdErrorReason } from '../errors.ts'
import { leaseKeyFrom } from '../mvcc/lease-attachment.ts'
import type { ReadView } from '../mvcc/view.ts'
import { type AccessRules, rootName, type UserRights } from './access-rules.ts'
import type { Caller } from './caller.ts'
import { covers, type Interval, intervalAt } from './intervals.ts'
import type { Need, Operation } from './operation.ts'

/** Why not, for the caller; and the rule that says so, for whoever audits. */
export interface Denial {
  readonly reason: Extract<EtcdErrorReason, 'userEmpty' | 'invalidAuthToken' | 'permissionDenied'>
  readonly rule:
    | 'nobody is known'
    | 'user is gone'
    | 'token is void'
    | 'no such user'
    | Operation['kind']
    | Need['kind']
}

/**
 * The one place where it is decided who may do what: where a request is accepted, and again where it is applied. Depends
 * on nothing but its arguments.
 *
 * @param rules of `view`.
 * @returns null if the caller may.
 */
export function authorize(rules: AccessRules, view: ReadView, caller: Caller, operation: Operation): Denial | null {
  if (!rules.enabled || operation.kind === 'open' || caller.kind === 'member') return null
  if (caller.kind === 'anonymous') return { reason: 'userEmpty', rule: 'nobody is known' }
  if (caller.kind === 'stranger') return { reason: 'permissionDenied', rule: 'no such user' }
  const rights = rules.user(view, caller.id)
  const { tokenRevision } = caller
  if (rights === null) {
    return { reason: tokenRevision === null ? 'permissionDenied' : 'invalidAuthToken', rule: 'user is gone' }
  }
  if (tokenRevision !== null && !isTokenGood(rules, rights, tokenRevision)) {
    return { reason: 'invalidAuthToken', rule: 'token is void' }
  }
  if (operation.kind === 'member') return { reason: 'permissionDenied', rule: operation.kind }
  if (rights.isRoot) return null
  const lacking = lackingOf(view, rights, operation)
  return lacking === null ? null : { reason: 'permissionDenied', rule: lacking }
}

/** Whether nothing has happened since a token was issued at that revision that makes it void. */
export const isTokenGood = (rules: AccessRules, { user }: UserRights, tokenRevision: number): boolean =>
  tokenRevision >= rules.tokensSince && tokenRevision >= Number(user.password_since)

function lackingOf(
  view: ReadView,
  rights: UserRights,
  operation: Exclude<Operation, { kind: 'open' | 'member' }>,
): Denial['rule'] | null {
  switch (operation.kind) {
    case 'identity':
      return null
    case 'root':
      return operation.kind
    case 'user':
      return operation.name === rights.user.name ? null : operation.kind
    case 'role':
      return operation.name !== rootName && rights.user.roles.includes(operation.name) ? null : operation.kind
    case 'keys':
      return operation.needs.find((need) => !has(view, rights, need))?.kind ?? null
    default:
      return unreachable(operation, 'operation')
  }
}

function has(view: ReadView, { reads, writes }: UserRights, need: Need): boolean {
  switch (need.kind) {
    case 'read':
      return covers(reads, need.range)
    case 'write':
      return covers(writes, need.range)
    case 'readLease':
      return coversLease(view, reads, need.lease)
    case 'writeLease':
      return coversLease(view, writes, need.lease)
    default:
      return unreachable(need, 'need')
  }
}

/** Whether all keys of a lease are in `granted`; from one interval to the next, not from key to key. */
function coversLease(view: ReadView, granted: readonly Interval[], lease: LeaseId): boolean {
  for (let from: Uint8Array = noKey; ; ) {
    const key = leaseKeyFrom(view, lease, from)
    if (key === null) return true
    const interval = intervalAt(granted, key)
    if (interval === null) return false
    if (interval.end === null) return true
    from = interval.end
  }
}

const noKey = new Uint8Array(0)
