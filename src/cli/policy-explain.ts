import {
  type Explanation,
  explain,
  type HeldGrant,
  methodVerbs,
  type Policy,
  parseRangeSpec,
  placeText,
  type Question,
  questionText,
  quoted,
  RangeSpecError,
  type Rules,
  rangeText,
  rangeVerbs,
  rulesOfPolicy,
  type Verb,
} from '../policy/index.ts'
import { connect } from './connection.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { CommandError } from './failure.ts'
import { jsonText } from './pki-access.ts'
import { rulesOf } from './policy-cluster.ts'
import { requirePolicy } from './policy-file.ts'

interface KeyOptions {
  readonly prefix?: boolean
  readonly fromKey?: boolean
  readonly to?: string
  readonly base64?: boolean
}

interface ExplainOptions extends ConnectionOptions, KeyOptions {
  readonly group?: boolean
  readonly role?: boolean
  readonly json?: boolean
}

const deniedExitCode = 2

export async function policyExplain(words: readonly string[], options: ExplainOptions): Promise<number> {
  const { file, who, verb, key } = placesOf(words)
  if (options.group && options.role) throw new CommandError('--group and --role exclude each other')
  const kind = options.group ? 'group' : options.role ? 'role' : 'user'
  const question: Question = { subject: { kind, name: who }, verb, range: rangeOf(verb, key, options) }
  const { rules, policy, note } = await sourceOf(file, options)
  const explanation = explain(question, rules, policy)
  if (options.json) process.stdout.write(jsonText(jsonOf(question, explanation)))
  else process.stdout.write(textOf(question, explanation, file) + note)
  return explanation.denial === null ? 0 : deniedExitCode
}

interface Places {
  /** Null: a cluster is asked. */
  readonly file: string | null
  readonly who: string
  readonly verb: Verb
  readonly key: string | null
}

/**
 * Which word is what: without a file the second one is the verb.
 *
 * @throws CommandError
 */
function placesOf(words: readonly string[]): Places {
  const [first, second, third, fourth] = words
  const isKeyed = (word: string | undefined): boolean => rangeVerbs.some((verb) => verb === word)
  const isOther = (word: string | undefined): boolean => methodVerbs.some((verb) => verb === word)
  if ((words.length === 3 && isKeyed(second)) || (words.length === 2 && isOther(second))) {
    return { file: null, who: first!, verb: second as Verb, key: third ?? null }
  }
  if ((words.length === 4 && isKeyed(third)) || (words.length === 3 && isOther(third))) {
    return { file: first!, who: second!, verb: third as Verb, key: fourth ?? null }
  }
  const others = methodVerbs.join(', ')
  throw new CommandError(`use: explain [file] <user> read|write <key>, or explain [file] <user> <verb> with ${others}`)
}

/** @throws CommandError if the options do not make a range. */
function rangeOf(verb: Verb, key: string | null, { prefix, fromKey, to, base64 }: KeyOptions): Question['range'] {
  if (key === null) {
    if (prefix || fromKey || to !== undefined) throw new CommandError(`${verb} has no keys`)
    return null
  }
  const forms = [prefix, fromKey, to !== undefined].filter((form) => form === true)
  if (forms.length > 1) throw new CommandError('--prefix, --from-key and --to exclude each other')
  // As etcdctl has it.
  if (key === '' && (prefix || (fromKey && to === undefined))) return parseRangeSpec({ all: true })
  const encoding = base64 ? { encoding: 'base64' } : {}
  const isFrom = fromKey === true || to !== undefined
  try {
    if (isFrom) return parseRangeSpec({ from: key, ...(to === undefined ? {} : { to }), ...encoding })
    return parseRangeSpec({ [prefix ? 'prefix' : 'key']: key, ...encoding })
  } catch (error) {
    throw error instanceof RangeSpecError ? new CommandError(error.message) : error
  }
}

interface Source {
  readonly rules: Rules
  readonly policy: Policy | null
  /** What else there is to say; ends its line. */
  readonly note: string
}

async function sourceOf(file: string | null, options: ExplainOptions): Promise<Source> {
  if (file !== null) {
    const policy = requirePolicy(file)
    return { rules: rulesOfPolicy(policy), policy, note: '' }
  }
  const cluster = await connect(options)
  try {
    const { rules, enabled } = await rulesOf(cluster)
    const note = enabled ? '' : '  auth is off: until it is on everybody may everything\n'
    return { rules, policy: null, note }
  } finally {
    cluster.close()
  }
}

function textOf(question: Question, explanation: Explanation, file: string | null): string {
  const { denial, roles, builtIn, grants, lacking, nearest, otherRoles } = explanation
  const verdict = denial === null ? 'allowed' : 'denied'
  const lines = [`${verdict}: ${questionText(question)}`]
  if (denial !== null && denial.rule === 'no such user') lines.push(`  there is no such ${question.subject.kind}`)
  if (question.subject.kind !== 'role')
    lines.push(`  roles: ${roles.length === 0 ? 'none' : roles.map(quoted).join(', ')}`)
  for (const role of builtIn) lines.push(`  by the built-in role ${quoted(role)}`)
  for (const grant of grants) lines.push(`  ${denial === null ? 'by' : 'in part by'} ${grantText(grant, file)}`)
  for (const range of lacking) lines.push(`  nothing grants ${question.verb} ${rangeText(range)}`)
  for (const grant of nearest) lines.push(`  near to it: ${grantText(grant, file)}`)
  if (otherRoles.length > 0) lines.push(`  it would be allowed by: ${otherRoles.map(quoted).join(', ')}`)
  return lines.map((line) => `${line}\n`).join('')
}

function grantText({ role, writtenAt, verbs, range, place }: HeldGrant, file: string | null): string {
  const by = writtenAt === role ? '' : `, which extends ${quoted(writtenAt)}`
  const at = place === null || file === null ? '' : ` (${file}:${placeText(place)})`
  return `role ${quoted(role)}${by}: ${verbs.join(', ')} ${rangeText(range)}${at}`
}

function jsonOf({ subject, verb, range }: Question, explanation: Explanation): object {
  const { denial, roles, builtIn, grants, lacking, nearest, otherRoles } = explanation
  const shown = (held: readonly HeldGrant[]): object[] =>
    held.map(({ range: keys, ...grant }) => ({ ...grant, range: rangeText(keys) }))
  return {
    ...{ [subject.kind]: subject.name, verb, range: range === null ? null : rangeText(range) },
    allowed: denial === null,
    ...{ roles, builtIn, grants: shown(grants), lacking: lacking.map(rangeText), nearest: shown(nearest), otherRoles },
  }
}
