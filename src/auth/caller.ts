import type { CommandCaller } from '../wire/command.ts'
import type { Scope } from './scope.ts'

/** Permanent id of a user, from 1: a user that is deleted and added again is another one. Safe integer. */
export type UserId = number

/** What a token says of itself, and by what it can end before its time. */
export interface TokenMark {
  /** Auth revision at its issue; null: it does not say. */
  readonly revision: number | null
  /** Wall clock at its issue; may be 0 if it says a revision. */
  readonly issuedMs: number
  /**
   * By which it can be revoked: SHA-256 of its `jti`, and of those of the tokens that it was derived from. Empty: of a
   * kind that ends with its user's password only.
   */
  readonly ids: readonly Uint8Array[]
}

/**
 * Who asks, in the form that goes into the log with a write. Rights are not part of it: they are those of the user at
 * the moment of judgement, so that a change that concerns another user never refuses anything. A scope is, but not in the
 * log: it is part of the token, and what it forbids has been refused before.
 */
export type Caller =
  /** Nobody who is known. */
  | { readonly kind: 'anonymous' }
  /** This member, for the cluster's own ends. */
  | { readonly kind: 'member' }
  /** Somebody with a good certificate, whose name is no user's. */
  | { readonly kind: 'stranger' }
  /** `token`: null if a certificate says who it is. `scope`: null if it may all that the user may. */
  | {
      readonly kind: 'user'
      readonly id: UserId
      readonly token: TokenMark | null
      readonly scope: Scope | null
    }
  /** Somebody whom an outside issuer knows by that name, and as a member of these groups. */
  | {
      readonly kind: 'groups'
      readonly name: string
      readonly groups: readonly string[]
      readonly token: TokenMark
      readonly scope: Scope | null
    }

export const anonymous: Caller = { kind: 'anonymous' }
export const memberCaller: Caller = { kind: 'member' }
export const stranger: Caller = { kind: 'stranger' }

const nobody: CommandCaller = {
  userId: 0,
  tokenRevision: 0,
  byMember: false,
  tokenIds: [],
  tokenIssuedMs: 0,
  groups: [],
}
const byMember: CommandCaller = { ...nobody, byMember: true }

/** As a command has it. A stranger is nobody there: who is refused as one never gets so far. */
export function callerFields(caller: Caller): CommandCaller {
  if (caller.kind === 'member') return byMember
  if (caller.kind === 'anonymous' || caller.kind === 'stranger') return nobody
  const { token } = caller
  return {
    userId: caller.kind === 'user' ? caller.id : 0,
    tokenRevision: token?.revision ?? 0,
    byMember: false,
    tokenIds: token?.ids ?? [],
    tokenIssuedMs: token?.issuedMs ?? 0,
    groups: caller.kind === 'groups' ? caller.groups : [],
  }
}

/** No token was ever issued at revision 0, nor in the first millisecond of 1970. */
export function callerOfFields(fields: CommandCaller): Caller {
  const { userId, tokenRevision, tokenIds, tokenIssuedMs, groups } = fields
  if (fields.byMember) return memberCaller
  const token =
    tokenRevision === 0 && tokenIssuedMs === 0
      ? null
      : {
          revision: tokenRevision === 0 ? null : tokenRevision,
          issuedMs: tokenIssuedMs,
          ids: tokenIds,
        }
  if (userId !== 0) return { kind: 'user', id: userId, token, scope: null }
  if (groups.length === 0 || token === null) return anonymous
  return { kind: 'groups', name: '', groups, token, scope: null }
}
