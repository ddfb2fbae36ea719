import { exportPolicy, PolicyError, parsePolicy } from '../policy/index.ts'
import { connect } from './connection.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { CommandError } from './failure.ts'
import { rulesOf } from './policy-cluster.ts'

export async function policyExport(options: ConnectionOptions): Promise<number> {
  const cluster = await connect(options)
  try {
    const policy = exportPolicy((await rulesOf(cluster)).rules)
    process.stdout.write(policy)
    refuseUnreadable(policy)
    return 0
  } finally {
    cluster.close()
  }
}

/** @throws CommandError if no command would read it: a cluster can have more than fits into a policy. */
function refuseUnreadable(policy: string): void {
  try {
    parsePolicy(Buffer.from(policy))
  } catch (error) {
    if (!(error instanceof PolicyError)) throw error
    throw new CommandError(`the cluster has what no policy can have: ${error.message}`, { cause: error })
  }
}
