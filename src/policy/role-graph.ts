import { limits } from '../base/limits.ts'
import type { Policy, RolePolicy } from './policy.ts'
import { type Problem, quoted } from './problem.ts'

type Roles = ReadonlyMap<string, RolePolicy>

/**
 * A role and those that it extends, however far away, each once; it comes first.
 *
 * @param roles as they were found good: in others it stops after a hundred.
 */
export function lineage(roles: Roles, name: string): RolePolicy[] {
  const found = new Set<RolePolicy>()
  const waiting = [name]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const role = roles.get(next)
    if (role === undefined || found.has(role)) continue
    found.add(role)
    if (found.size > lineageMax) break
    waiting.push(...role.extends)
  }
  return [...found]
}

/** Roles that have more behind them than anybody can look through: each of them would be laid out for each. */
export function refuseLongLineages(roles: Roles): Problem[] {
  for (const { name, place } of roles.values()) {
    if (lineage(roles, name).length <= lineageMax) continue
    return [{ place, message: `the role ${quoted(name)} extends more than ${lineageMax - 1} others, all in all` }]
  }
  return []
}

/** What fits into a file may be a thousand times as large once it is laid out. After `refuseLongLineages`. */
export function refuseTooManyGrants({ roles, users, groups }: Omit<Policy, 'cases'>): Problem[] {
  const sizes = new Map<string, number>()
  let all = 0
  for (const { name, place } of roles.values()) {
    const size = lineage(roles, name).reduce((sum, { grants }) => sum + grants.length, 0)
    sizes.set(name, size)
    all += size
    if (all > limits.policyGrantsMax) {
      const message = `the roles have more than ${limits.policyGrantsMax} permissions, with those that they extend`
      return [{ place, message }]
    }
  }
  let held = 0
  for (const holder of [...users.values(), ...groups.values()]) {
    for (const role of holder.roles) held += sizes.get(role) ?? 0
    if (held > limits.policyHeldGrantsMax) {
      const message = `users and groups have more than ${limits.policyHeldGrantsMax} permissions by their roles, all in all`
      return [{ place: holder.place, message }]
    }
  }
  return []
}

/** With the role itself. */
const lineageMax = 100

/** One problem for each circle, at the first of its roles that is come upon. Does not recurse: chains may be long. */
export function refuseCycles(roles: Roles): Problem[] {
  const problems: Problem[] = []
  const done = new Set<string>()
  for (const begin of roles.keys()) {
    // The way from `begin` to where the walk is, each with how many of its bases were looked at.
    const way: { readonly name: string; looked: number }[] = [{ name: begin, looked: 0 }]
    const onWay = new Set([begin])
    while (way.length > 0) {
      const here = way.at(-1)!
      const base = done.has(here.name) ? undefined : roles.get(here.name)?.extends[here.looked++]
      if (base === undefined) {
        done.add(here.name)
        onWay.delete(here.name)
        way.pop()
      } else if (onWay.has(base)) {
        const circle = way.slice(way.findIndex(({ name }) => name === base)).map(({ name }) => name)
        problems.push({
          place: roles.get(base)!.place,
          message: `roles extend each other in a circle: ${[...circle, base].slice(0, shownMax).map(quoted).join(', ')}`,
        })
        if (problems.length === problemsMax) return problems
      } else if (!done.has(base)) {
        way.push({ name: base, looked: 0 })
        onWay.add(base)
      }
    }
  }
  return problems
}

const shownMax = 20
const problemsMax = 20
