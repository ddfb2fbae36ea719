import { type Difference, differenceOf, differenceText, quoted, rulesOfPolicy } from '../policy/index.ts'
import { connect } from './connection.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { jsonText } from './pki-access.ts'
import { rulesOf } from './policy-cluster.ts'
import { requirePolicy } from './policy-file.ts'

interface DiffOptions extends ConnectionOptions {
  readonly prune?: boolean
  readonly json?: boolean
}

const differentExitCode = 2

export async function policyDiff(file: string, options: DiffOptions): Promise<number> {
  const { prune = false, json = false } = options
  const wanted = rulesOfPolicy(requirePolicy(file))
  const cluster = await connect(options)
  try {
    const { enabled, revision, rules } = await rulesOf(cluster)
    const difference = differenceOf(rules, wanted, { revision, prune })
    const { changes, kept } = difference
    if (json) process.stdout.write(jsonText({ authRevision: Number(revision), authEnabled: enabled, changes, kept }))
    else process.stdout.write(differenceText(difference) + keptText(difference))
    return changes.length === 0 ? 0 : differentExitCode
  } finally {
    cluster.close()
  }
}

/** What the policy does not speak of. */
export const keptText = ({ kept }: Difference): string =>
  kept.map(({ kind, name }) => `  ${kind} ${quoted(name)} is not in the policy: left alone without --prune\n`).join('')
