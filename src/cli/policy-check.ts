import { checkPolicy, type Finding, isFindingName, type Policy, placeText } from '../policy/index.ts'
import { CommandError } from './failure.ts'
import { jsonText } from './pki-access.ts'
import { loadPolicy, problemLine } from './policy-file.ts'

interface CheckOptions {
  readonly accept: readonly string[]
  readonly strict?: boolean
  readonly json?: boolean
}

export function policyCheck(file: string, { accept, strict = false, json = false }: CheckOptions): number {
  const { policy, problems } = loadPolicy(file)
  const findings = policy === null ? [] : acceptedFindings(policy, accept)
  if (json) {
    const refused = (problems ?? []).map((problem) => ({ name: 'invalid', level: 'error', ...problem }))
    process.stdout.write(jsonText([...refused, ...findings]))
  } else {
    for (const problem of problems ?? []) process.stderr.write(problemLine(file, problem))
    for (const each of findings) process.stdout.write(findingLine(file, each))
    if (policy !== null) process.stdout.write(summary(file, policy, findings))
  }
  return policy !== null && !findings.some(({ level }) => level === 'error' || strict) ? 0 : 1
}

/**
 * What is found and not accepted.
 *
 * @throws CommandError for an accepted name that nothing has.
 */
export function acceptedFindings(policy: Policy, accept: readonly string[]): Finding[] {
  const unknown = accept.find((name) => !isFindingName(name))
  if (unknown !== undefined) throw new CommandError(`--accept: no finding is called ${JSON.stringify(unknown)}`)
  const accepted = new Set(accept)
  return checkPolicy(policy).filter(({ name }) => !accepted.has(name))
}

export const findingLine = (file: string, { place, level, name, message }: Finding): string =>
  `${file}:${placeText(place)}: ${level} ${name}: ${message}\n`

function summary(file: string, { roles, users, groups, cases }: Policy, findings: readonly Finding[]): string {
  const errors = findings.filter(({ level }) => level === 'error').length
  const has = [
    [roles.size, 'roles'],
    [users.size, 'users'],
    [groups.size, 'groups'],
    [cases.length, 'cases'],
  ].map(([count, what]) => `${what}: ${count}`)
  return `${file}: ${has.join(', ')}; errors: ${errors}, warnings: ${findings.length - errors}\n`
}
