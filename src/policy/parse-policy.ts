import { isBuiltInRole, isReservedRoleName, rootName } from '../auth/built-in-roles.ts'
import { parseRangeSpec, RangeSpecError } from '../auth/range-spec.ts'
import { isNameTooLong } from '../auth/records.ts'
import type { KeyRange } from '../base/key-range.ts'
import { limits } from '../base/limits.ts'
import { rangeName } from './grants.ts'
import type { Grant, GroupPolicy, Policy, PolicyCase, RolePolicy, Subject, UserPolicy } from './policy.ts'
import { type Place, PolicyError, type Problem, quoted } from './problem.ts'
import { refuseCycles, refuseLongLineages, refuseTooManyGrants } from './role-graph.ts'
import { type PolicyDocument, policySchema, type RangeVerb } from './schema.ts'
import { issueMessage } from './schema-message.ts'
import { type Path, type PlacedData, readYaml } from './yaml-tree.ts'

/**
 * Reads a policy file.
 *
 * @throws PolicyError with all that is wrong on the first level that has anything wrong: YAML, then the schema, then names
 *   and ranges.
 */
export function parsePolicy(bytes: Uint8Array): Policy {
  const yaml = readYaml(bytes)
  const result = policySchema.safeParse(yaml.data)
  if (!result.success) {
    throw new PolicyError(
      result.error.issues.flatMap((issue) => issueMessage(issue, yaml)),
      { cause: result.error },
    )
  }
  return new Reading(yaml, result.data).policy()
}

type RangeFields = Readonly<Record<string, unknown>>
type Named = { readonly name: string; readonly place: Place }

class Reading {
  readonly #yaml: PlacedData
  readonly #document: PolicyDocument
  readonly #problems: Problem[] = []

  constructor(yaml: PlacedData, document: PolicyDocument) {
    this.#yaml = yaml
    this.#document = document
  }

  policy(): Policy {
    const { roles = [], users = [], groups = [], cases = [] } = this.#document
    const named = {
      roles: this.#byName(
        'role',
        roles.map((role, at): RolePolicy => this.#role(role, at)),
      ),
      users: this.#byName(
        'user',
        users.map((user, at): UserPolicy => ({ ...this.#holder('users', user, at), login: user.login })),
      ),
      groups: this.#byName(
        'group',
        groups.map((group, at): GroupPolicy => this.#holder('groups', group, at)),
      ),
    }
    this.#refuseUnknownRoles(named.roles)
    const read = { ...named, cases: cases.flatMap((one, at) => this.#case(one, at, named)) }
    if (this.#problems.length === 0) this.#problems.push(...refuseCycles(read.roles), ...refuseLongLineages(read.roles))
    if (this.#problems.length === 0) this.#problems.push(...refuseTooManyGrants(read))
    if (this.#problems.length > 0) throw new PolicyError(this.#problems)
    return read
  }

  #role(role: NonNullable<PolicyDocument['roles']>[number], at: number): RolePolicy {
    const place = this.#at('roles', at, 'name')
    if (role.name === rootName || isReservedRoleName(role.name)) {
      this.#wrong(place, `the role ${quoted(role.name)} is built in, or could be: take another name`)
    }
    const permissions = role.permissions ?? []
    const grants = permissions.flatMap((one, index) => this.#grant(one, ['roles', at, 'permissions', index]))
    const seen = new Set<string>()
    for (const grant of grants) {
      if (seen.has(rangeName(grant.range))) {
        this.#wrong(grant.place, 'this range has a permission already in this role: give it both verbs there')
      }
      seen.add(rangeName(grant.range))
    }
    this.#refuseTwice(role.extends ?? [], ['roles', at, 'extends'])
    return { name: role.name, extends: role.extends ?? [], grants, place }
  }

  #grant({ allow, comment: _, ...fields }: { readonly allow: RangeVerb[] } & RangeFields, path: Path): Grant[] {
    this.#refuseTwice(allow, [...path, 'allow'])
    const range = this.#range(fields, path)
    return range === null ? [] : [{ verbs: new Set(allow), range, place: this.#yaml.placeOf(path) }]
  }

  #range(fields: RangeFields, path: Path): KeyRange | null {
    try {
      return parseRangeSpec(fields)
    } catch (error) {
      if (!(error instanceof RangeSpecError)) throw error
      const [first] = Object.keys(fields)
      this.#wrong(
        first === undefined ? this.#yaml.placeOf(path) : this.#yaml.placeOfKey([...path, first]),
        error.message,
      )
      return null
    }
  }

  #holder(list: 'users' | 'groups', { name, roles = [] }: { name: string; roles?: string[] | undefined }, at: number) {
    this.#refuseTwice(roles, [list, at, 'roles'])
    return { name, roles, place: this.#at(list, at, 'name') }
  }

  #case(
    one: NonNullable<PolicyDocument['cases']>[number],
    at: number,
    named: Pick<Policy, 'roles' | 'users' | 'groups'>,
  ): PolicyCase[] {
    const { verb, expect, user, role, group, comment: _, ...fields } = one
    const place = this.#yaml.placeOf(['cases', at])
    const subjects = Object.entries({ user, role, group }).flatMap(([kind, name]) =>
      name === undefined ? [] : [{ kind, name } as Subject],
    )
    const [subject] = subjects
    if (subject === undefined || subjects.length > 1) {
      this.#wrong(place, 'a case is about one user, one role or one group')
      return []
    }
    const { kind, name } = subject
    // A case of nobody would be denied for that, and prove nothing.
    if (!named[`${kind}s`].has(name) && !(kind === 'role' && isBuiltInRole(name))) {
      this.#wrong(this.#at('cases', at, kind), `there is no ${kind} ${quoted(name)} in this policy`)
    }
    if (verb !== 'read' && verb !== 'write') {
      if (Object.keys(fields).length > 0) this.#wrong(place, `${verb} has no keys: only read and write have`)
      return [{ subject, verb, range: null, expect, place }]
    }
    const range = this.#range(fields, ['cases', at])
    return range === null ? [] : [{ subject, verb, range, expect, place }]
  }

  #byName<T extends Named>(kind: string, all: readonly T[]): ReadonlyMap<string, T> {
    const byName = new Map<string, T>()
    for (const one of all) {
      if (isNameTooLong(one.name)) {
        this.#wrong(one.place, `the name of a ${kind} has at most ${limits.authNameBytesMax} bytes`)
      }
      const before = byName.get(one.name)
      if (before === undefined) byName.set(one.name, one)
      else this.#wrong(one.place, `the ${kind} ${quoted(one.name)} is there already, at line ${before.place.line}`)
    }
    return byName
  }

  #refuseUnknownRoles(roles: Policy['roles']): void {
    this.#document.roles?.forEach((role, at) => {
      role.extends?.forEach((name, index) => {
        if (roles.has(name)) return
        const why = isBuiltInRole(name)
          ? 'is built in, and can be given only to users and groups'
          : 'is not in this policy'
        this.#wrong(this.#yaml.placeOf(['roles', at, 'extends', index]), `the role ${quoted(name)} ${why}`)
      })
    })
    for (const list of ['users', 'groups'] as const) {
      this.#document[list]?.forEach((holder, at) => {
        holder.roles?.forEach((name, index) => {
          if (roles.has(name) || isBuiltInRole(name)) return
          const place = this.#yaml.placeOf([list, at, 'roles', index])
          this.#wrong(place, `there is no role ${quoted(name)}, neither in this policy nor built in`)
        })
      })
    }
  }

  #refuseTwice(names: readonly string[], path: Path): void {
    const seen = new Set<string>()
    names.forEach((name, index) => {
      if (seen.has(name)) this.#wrong(this.#yaml.placeOf([...path, index]), `${quoted(name)} is there twice`)
      seen.add(name)
    })
  }

  #at(...path: (string | number)[]): Place {
    return this.#yaml.placeOf(path)
  }

  #wrong(place: Place, message: string): void {
    this.#problems.push({ place, message })
  }
}
