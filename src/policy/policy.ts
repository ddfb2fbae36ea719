import type { KeyRange } from '../base/key-range.ts'
import type { Place } from './problem.ts'
import type { Login, RangeVerb, Verb } from './schema.ts'

/** One permission as a file gives it. */
export interface Grant {
  readonly verbs: ReadonlySet<RangeVerb>
  readonly range: KeyRange
  readonly place: Place
}

export interface RolePolicy {
  readonly name: string
  /** Names of roles of the same policy. */
  readonly extends: readonly string[]
  readonly grants: readonly Grant[]
  readonly place: Place
}

export interface UserPolicy {
  readonly name: string
  readonly roles: readonly string[]
  readonly login: Login
  readonly place: Place
}

export interface GroupPolicy {
  readonly name: string
  readonly roles: readonly string[]
  readonly place: Place
}

/** Whose rights are asked after: of a role alone, as if somebody had it and no other. */
export interface Subject {
  readonly kind: 'user' | 'role' | 'group'
  readonly name: string
}

/** What is asked: `range` is null exactly for verbs of methods. */
export interface Question {
  readonly subject: Subject
  readonly verb: Verb
  readonly range: KeyRange | null
}

export interface PolicyCase extends Question {
  readonly expect: 'allow' | 'deny'
  readonly place: Place
}

/** A policy in which every name is known, nothing is there twice, and every range has keys. */
export interface Policy {
  readonly roles: ReadonlyMap<string, RolePolicy>
  readonly users: ReadonlyMap<string, UserPolicy>
  readonly groups: ReadonlyMap<string, GroupPolicy>
  readonly cases: readonly PolicyCase[]
}
