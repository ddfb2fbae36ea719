import type { Denial } from '../auth/authorize.ts'
import type { Caller } from '../auth/caller.ts'
import type { Operation } from '../auth/operation.ts'
import { EtcdError, type EtcdErrorReason } from '../errors.ts'
import { accessOf, admit } from './access.ts'
import type { Call } from './call.ts'
import type { Member } from './member.ts'

/**
 * A right that was given, and acknowledged, at another member may be news to this one, as may be that auth is on or off.
 * So nobody is told that they may not before this member has caught up and has judged again.
 */

/** Refusals for who the caller is. */
export const denials: ReadonlySet<EtcdErrorReason> = new Set<Denial['reason']>([
  'userEmpty',
  'invalidAuthToken',
  'permissionDenied',
])

/** Whether somebody was refused for who they are, here or where the write was to be applied. Nothing was done then. */
export const isDenial = (error: unknown): boolean => error instanceof EtcdError && denials.has(error.reason)

/**
 * As `admit`, at once if the caller may; who may not is judged once more.
 *
 * @throws what is no denial. Rejects as `admit`, and as a read barrier.
 */
export function admitCaughtUp(member: Member, call: Call, operation: () => Operation): Caller | Promise<Caller> {
  try {
    return admit(member, call, operation)
  } catch (error) {
    if (!isDenial(error)) throw error
  }
  return member
    .readBarrier()
    .then(() => accessOf(member).whenTokenIsKnown(call))
    .then(() => admit(member, call, operation))
}
