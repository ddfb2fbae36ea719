import type { CommandCaller } from '../wire/command.ts'

/** Permanent id of a user, from 1: a user that is deleted and added again is another one. Safe integer. */
export type UserId = number

/**
 * Who asks, in the form that goes into the log with a write. Rights are not part of it: they are those of the user at
 * the moment of judgement, so that a change that concerns another user never refuses anything.
 */
export type Caller =
  /** Nobody who is known. */
  | { readonly kind: 'anonymous' }
  /** This member, for the cluster's own ends. */
  | { readonly kind: 'member' }
  /** Somebody with a good certificate, whose name is no user's. */
  | { readonly kind: 'stranger' }
  /** `tokenRevision`: auth revision when the user's token was issued; null if a certificate says who it is. */
  | { readonly kind: 'user'; readonly id: UserId; readonly tokenRevision: number | null }

export const anonymous: Caller = { kind: 'anonymous' }
export const memberCaller: Caller = { kind: 'member' }
export const stranger: Caller = { kind: 'stranger' }

/** As a command has it. A stranger is nobody there: who is refused as one never gets so far. */
export function callerFields(caller: Caller): CommandCaller {
  if (caller.kind === 'member') return byMember
  if (caller.kind !== 'user') return nobody
  return { userId: caller.id, tokenRevision: caller.tokenRevision ?? 0, byMember: false }
}
const byMember: CommandCaller = { userId: 0, tokenRevision: 0, byMember: true }
const nobody: CommandCaller = { userId: 0, tokenRevision: 0, byMember: false }

/** No token was ever issued at revision 0. */
export function callerOfFields({ userId, tokenRevision, byMember }: CommandCaller): Caller {
  if (byMember) return memberCaller
  if (userId === 0) return anonymous
  return { kind: 'user', id: userId, tokenRevision: tokenRevision === 0 ? null : tokenRevision }
}
