import type { EtcdErrorReason } from '../../src/errors.ts'
import { keysOf, type WireRange } from './keys.ts'

export type Kind = 'read' | 'write' | 'readwrite'
export type Capability = 'monitor' | 'backup' | 'operate' | 'audit'

const capabilities: Readonly<Record<string, readonly Capability[]>> = {
  root: ['monitor', 'backup', 'operate', 'audit'],
  'leasehold:monitor': ['monitor'],
  'leasehold:backup': ['backup', 'monitor'],
  'leasehold:operator': ['operate', 'monitor'],
  'leasehold:auditor': ['audit', 'monitor'],
}
export const builtInRoles: readonly string[] = Object.keys(capabilities)
export const capabilitiesOf = (role: string): readonly Capability[] => capabilities[role] ?? []

export interface Grant {
  readonly range: WireRange
  readonly as: Kind
}

/** `password`: null for a user that has none and needs none, empty for one that has none yet. */
export interface User {
  /** A user that is deleted and added again is another one. */
  readonly id: number
  readonly password: string | null
  readonly roles: ReadonlySet<string>
}

export interface Policy {
  readonly expectedRevision: number
  readonly putRoles: readonly { readonly role: string; readonly grants: readonly Grant[] }[]
  readonly deleteRoles: readonly string[]
  readonly putUsers: readonly {
    readonly user: string
    readonly roles: readonly string[]
    readonly noPassword: boolean
  }[]
  readonly deleteUsers: readonly string[]
}

export type Change =
  | { readonly kind: 'enable' }
  | { readonly kind: 'disable' }
  /** `password === null`: a user that needs none. */
  | { readonly kind: 'addUser'; readonly user: string; readonly password: string | null }
  | { readonly kind: 'deleteUser'; readonly user: string }
  | { readonly kind: 'changePassword'; readonly user: string; readonly password: string }
  | { readonly kind: 'grantRole'; readonly user: string; readonly role: string }
  | { readonly kind: 'revokeRole'; readonly user: string; readonly role: string }
  | { readonly kind: 'addRole'; readonly role: string }
  | { readonly kind: 'deleteRole'; readonly role: string }
  | { readonly kind: 'grantPermission'; readonly role: string; readonly range: WireRange; readonly as: Kind }
  | { readonly kind: 'revokePermission'; readonly role: string; readonly range: WireRange }
  | { readonly kind: 'applyPolicy'; readonly policy: Policy }
  | { readonly kind: 'revokeUserTokens'; readonly user: string }
  /** `token`: number of a signed one. */
  | { readonly kind: 'revokeToken'; readonly token: number }

export type MethodVerb = 'lease' | Capability | 'admin'

/** What a token may do at most: `range` is null for verbs that are of methods. */
export type ScopeEntry =
  | { readonly verbs: readonly ('read' | 'write')[]; readonly range: WireRange }
  | { readonly verbs: readonly MethodVerb[]; readonly range: null }
export type Scope = readonly ScopeEntry[]

export const methodsOf = (scope: Scope): ReadonlySet<string> =>
  new Set(scope.flatMap(({ verbs, range }) => (range === null ? verbs : [])))

export const scopeKeys = (scope: Scope, verb: 'read' | 'write'): ReadonlySet<string> =>
  new Set(scope.flatMap(({ verbs, range }) => (range !== null && verbs.includes(verb) ? keysOf(range) : [])))

const isWithin = (inner: ReadonlySet<string>, outer: ReadonlySet<string>): boolean =>
  [...inner].every((each) => outer.has(each))

export const scopeCovers = (outer: Scope, inner: Scope): boolean =>
  isWithin(methodsOf(inner), methodsOf(outer)) &&
  isWithin(scopeKeys(inner, 'read'), scopeKeys(outer, 'read')) &&
  isWithin(scopeKeys(inner, 'write'), scopeKeys(outer, 'write'))

/** A token that is good. */
export interface Token {
  /** Id of its user. */
  readonly user: number
  /** Null: whatever its user may. */
  readonly scope: Scope | null
  /** Common name of the certificate without which it is nothing; null: it is good with any. */
  readonly certificate: string | null
  /** Numbers of the tokens that it was derived from. */
  readonly ancestors: readonly number[]
}

/** What a call shows of its caller. */
export interface Who {
  /** Common name of its certificate. */
  readonly certificate: string
  /** Number of the token, `'forged'` for one that nobody issued, null for none. */
  readonly token: number | 'forged' | null
}

/** Somebody who is known. */
export interface Caller {
  readonly id: number
  readonly scope: Scope | null
}

export type Need =
  | { readonly verb: 'read' | 'write'; readonly range: WireRange }
  | { readonly verb: 'readLease' | 'writeLease'; readonly lease: number }
  | { readonly verb: 'lease' }

/** What is asked for. */
export type Deed =
  /** Of everybody who is known. */
  | { readonly kind: 'known' }
  /** The same, but a token's scope must have `monitor`. */
  | { readonly kind: 'identity' }
  | { readonly kind: 'root' }
  | { readonly kind: 'capability'; readonly capability: Capability }
  | { readonly kind: 'userGet'; readonly user: string }
  | { readonly kind: 'roleGet'; readonly role: string }
  | { readonly kind: 'keys'; readonly needs: readonly Need[] }

export type Denial = Extract<EtcdErrorReason, 'userEmpty' | 'invalidAuthToken' | 'permissionDenied'>

export const isDenial = (reason: EtcdErrorReason | 'unknown'): reason is Denial =>
  reason === 'userEmpty' || reason === 'invalidAuthToken' || reason === 'permissionDenied'
