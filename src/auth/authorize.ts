import { unreachable } from '../base/assert.ts'
import type { LeaseId } from '../base/ids.ts'
import type { EtcdErrorReason } from '../errors.ts'
import { leaseKeyFrom } from '../mvcc/lease-attachment.ts'
import type { ReadView } from '../mvcc/view.ts'
import type { AccessRules, Rights } from './access-rules.ts'
import { rootName } from './built-in-roles.ts'
import type { Caller, TokenMark } from './caller.ts'
import { covers, type Interval, intervalAt } from './intervals.ts'
import type { Need, Operation } from './operation.ts'
import type { Scope } from './scope.ts'

/** Why not, for the caller; and the rule that says so, for whoever audits. */
export interface Denial {
  readonly reason: Extract<EtcdErrorReason, 'userEmpty' | 'invalidAuthToken' | 'permissionDenied'>
  readonly rule:
    | 'nobody is known'
    | 'user is gone'
    | 'token is void'
    | 'token is revoked'
    | 'no such user'
    | Lacking
    | `scope: ${Lacking}`
}
type Lacking = Operation['kind'] | Need['kind']

/** An operation of which not everybody who is known may do it. */
type Judged = Exclude<Operation, { kind: 'open' | 'member' | 'known' }>

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
  const { token, scope } = caller
  const rights = caller.kind === 'user' ? rules.user(view, caller.id) : rules.groups(view, caller.groups)
  if (rights === null && caller.kind === 'groups') return { reason: 'permissionDenied', rule: 'no such user' }
  if (rights === null) {
    return { reason: token === null ? 'permissionDenied' : 'invalidAuthToken', rule: 'user is gone' }
  }
  if (token !== null) {
    if (!isTokenGood(rules, rights, token)) return { reason: 'invalidAuthToken', rule: 'token is void' }
    if (token.ids.some((id) => rules.isTokenRevoked(view, id))) {
      return { reason: 'invalidAuthToken', rule: 'token is revoked' }
    }
  }
  if (operation.kind === 'known') return null
  if (operation.kind === 'member') return { reason: 'permissionDenied', rule: operation.kind }
  if (!rights.isRoot) {
    const lacking = lackingOf(view, rights, operation)
    if (lacking !== null) return { reason: 'permissionDenied', rule: lacking }
  }
  const lacking = scope === null ? null : lackingInScope(view, scope, operation)
  return lacking === null ? null : { reason: 'permissionDenied', rule: `scope: ${lacking}` }
}

/**
 * Whether nothing has happened to the user, or to auth as a whole, since a token was issued that makes it void. One that does
 * not say at which revision that was is judged by the clock of its issuer, and must be later than what made others void.
 */
export function isTokenGood(rules: AccessRules, { user }: Rights, { revision, issuedMs }: TokenMark): boolean {
  if (revision === null) {
    return issuedMs > rules.tokensSinceMs && (user === null || issuedMs > Number(user.tokens_since_ms))
  }
  return revision >= rules.tokensSince && (user === null || revision >= Number(user.tokens_since))
}

function lackingOf(view: ReadView, rights: Rights, operation: Judged): Lacking | null {
  switch (operation.kind) {
    case 'identity':
      return null
    case 'root':
      return operation.kind
    case 'capability':
      return rights.capabilities.has(operation.capability) ? null : operation.kind
    case 'user':
      return rights.capabilities.has('audit') || operation.name === rights.user?.name ? null : operation.kind
    case 'role':
      return mayLookAtRole(rights, operation.name) ? null : operation.kind
    case 'keys':
      return operation.needs.find((need) => !has(view, rights, need))?.kind ?? null
    default:
      return unreachable(operation, 'operation')
  }
}

const mayLookAtRole = ({ capabilities, roles }: Rights, name: string): boolean =>
  capabilities.has('audit') || (name !== rootName && roles.includes(name))

function lackingInScope(view: ReadView, scope: Scope, operation: Judged): Lacking | null {
  switch (operation.kind) {
    case 'identity':
      return scope.methods.has('monitor') ? null : operation.kind
    case 'root':
      return scope.methods.has('admin') ? null : operation.kind
    case 'capability':
      return scope.methods.has(operation.capability) ? null : operation.kind
    case 'user':
    case 'role':
      return scope.methods.has('audit') || scope.methods.has('admin') ? null : operation.kind
    case 'keys':
      return (
        operation.needs.find((need) => (need.kind === 'lease' ? !scope.methods.has('lease') : !has(view, scope, need)))
          ?.kind ?? null
      )
    default:
      return unreachable(operation, 'operation')
  }
}

function has(view: ReadView, { reads, writes }: Pick<Rights, 'reads' | 'writes'>, need: Need): boolean {
  switch (need.kind) {
    case 'read':
      return covers(reads, need.range)
    case 'write':
      return covers(writes, need.range)
    case 'readLease':
      return coversLease(view, reads, need.lease)
    case 'writeLease':
      return coversLease(view, writes, need.lease)
    case 'lease':
      return true
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
