import { Code, etcdErrors } from '../errors.ts'
import {
  type Difference,
  differenceOf,
  differenceText,
  lockoutOf,
  type Policy,
  quoted,
  rulesOfPolicy,
  runCases,
} from '../policy/index.ts'
import { PolicyApplyRequest, PolicyApplyResponse } from '../wire/gen/leasehold.ts'
import { CallError, type ClusterClient, connect } from './connection.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { CommandError } from './failure.ts'
import { acceptedFindings, findingLine } from './policy-check.ts'
import { applicantAt, type ClusterRules, rulesOf } from './policy-cluster.ts'
import { keptText } from './policy-diff.ts'
import { requirePolicy } from './policy-file.ts'
import { caseLine } from './policy-test.ts'

interface ApplyOptions extends ConnectionOptions {
  readonly accept: readonly string[]
  readonly prune?: boolean
  readonly dryRun?: boolean
}

/** @throws CommandError, CallError: then nothing was applied, unless it says otherwise. */
export async function policyApply(file: string, options: ApplyOptions): Promise<number> {
  const { accept, prune = false, dryRun = false } = options
  const policy = requirePolicy(file)
  refuseDangers(file, policy, accept)
  const cluster = await connect(options)
  try {
    const now = await rulesOf(cluster)
    const wanted = rulesOfPolicy(policy)
    const difference = differenceOf(now.rules, wanted, { revision: now.revision, prune })
    process.stdout.write(differenceText(difference) + keptText(difference))
    if (difference.changes.length === 0) {
      process.stdout.write(`nothing to do: the cluster has these rules, at auth revision ${now.revision}\n`)
      return 0
    }
    await refuseLockout(cluster, now, difference)
    if (dryRun) {
      process.stdout.write(`nothing was applied; it would be, to auth revision ${now.revision}\n`)
      return 0
    }
    const revision = await apply(
      cluster,
      difference,
      (rules) => differenceOf(rules, wanted, { revision: now.revision, prune }).changes.length === 0,
    )
    process.stdout.write(`applied: auth revision ${revision}\n${notesFor(now, difference)}`)
    return 0
  } finally {
    cluster.close()
  }
}

/** @throws CommandError after all reasons were written to standard error. */
function refuseDangers(file: string, policy: Policy, accept: readonly string[]): void {
  const dangers = acceptedFindings(policy, accept).filter(({ level }) => level === 'error')
  for (const danger of dangers) process.stderr.write(findingLine(file, danger))
  if (dangers.length > 0) {
    const names = [...new Set(dangers.map(({ name }) => name))]
    const flags = names.map((name) => `--accept ${name}`).join(' ')
    throw new CommandError(`${file} allows what is seldom meant: nothing was applied; if it is meant: ${flags}`)
  }
  const failures = runCases(policy).filter(({ passed }) => !passed)
  for (const failure of failures) process.stderr.write(caseLine(file, failure))
  if (failures.length > 0) throw new CommandError(`${file} fails its own cases: nothing was applied`)
}

/** With auth off nobody can be locked out yet, and `auth enable` looks for root. */
async function refuseLockout(cluster: ClusterClient, now: ClusterRules, { after }: Difference): Promise<void> {
  if (!now.enabled) return
  const lockout = lockoutOf(now.rules, after, await applicantAt(cluster))
  if (lockout !== null) throw new CommandError(`${lockout}; nothing was applied`)
}

const outcomeUnknown: ReadonlySet<number> = new Set([Code.Unavailable, Code.DeadlineExceeded, Code.Canceled])

/**
 * Sends the change, once: if the answer is lost, looks at what became of it.
 *
 * @param isDone whether rules are those that were wanted.
 * @returns the auth revision afterwards.
 */
async function apply(
  cluster: ClusterClient,
  { request }: Difference,
  isDone: (rules: ClusterRules['rules']) => boolean,
): Promise<bigint> {
  try {
    const answer = await cluster.unary('/leasehold.v1.Policies/Apply', PolicyApplyRequest.encode(request).finish())
    return PolicyApplyResponse.decode(answer).auth_revision
  } catch (error) {
    if (!(error instanceof CallError)) throw error
    if (!outcomeUnknown.has(error.code)) throw new CommandError(refusalText(error), { cause: error })
    const { revision, rules } = await rulesOf(cluster)
    if (revision > request.expected_auth_revision && isDone(rules)) return revision
    const seen =
      revision === request.expected_auth_revision ? 'it is not applied so far' : 'others have changed the rules'
    throw new CommandError(`no answer (${error.message}): ${seen}; look with policy diff`, { cause: error })
  }
}

function refusalText({ message }: CallError): string {
  if (message === etcdErrors.authOldRevision.message) {
    return 'the rules were changed meanwhile: nothing was applied; look at the difference again'
  }
  if (message === etcdErrors.invalidAuthManagement.message) {
    return `${message}: nobody with a password or certificate would have the role root, or you would not; nothing was applied`
  }
  return `${message}; nothing was applied`
}

/** What is left for somebody to do. */
function notesFor({ enabled, rules }: ClusterRules, { request }: Difference): string {
  const had = new Map(rules.users.map((user) => [user.name, user]))
  const withoutPassword = request.put_users.filter(
    ({ name, no_password }) => !no_password && had.get(name)?.no_password !== false,
  )
  const notes = withoutPassword.map(
    ({ name }) => `the user ${quoted(name)} cannot log in until it has a password: etcdctl user passwd\n`,
  )
  if (!enabled) notes.push('auth is off: everybody may everything until it is on (etcdctl auth enable)\n')
  return notes.join('')
}
