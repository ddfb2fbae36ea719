import type { RolePolicy } from './policy.ts'
import { type Problem, quoted } from './problem.ts'

type Roles = ReadonlyMap<string, RolePolicy>

/**
 * A role and those that it extends, however far away, each once; it comes first.
 *
 * @param roles without circles.
 */
export function lineage(roles: Roles, name: string): RolePolicy[] {
  const found = new Set<RolePolicy>()
  const waiting = [name]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const role = roles.get(next)
    if (role === undefined || found.has(role)) continue
    found.add(role)
    waiting.push(...role.extends)
  }
  return [...found]
}

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
