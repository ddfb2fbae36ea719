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
import { type ClusterClient, connect } from './connection.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { CommandError } from './failure.ts'
import { acceptedFindings, findingLine } from './policy-check.ts'
import { applicantAt, type ClusterRules, rulesOf } from './policy-cluster.ts'
import { keptText } from './policy-diff.ts'
import { requirePolicy } from './policy-file.ts'
import { sendPolicy } from './policy-send.ts'
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
    const revision = await sendPolicy(
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
