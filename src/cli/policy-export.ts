import { exportPolicy } from '../policy/index.ts'
import { connect } from './connection.ts'
import type { ConnectionOptions } from './connection-options.ts'
import { rulesOf } from './policy-cluster.ts'

export async function policyExport(options: ConnectionOptions): Promise<number> {
  const cluster = await connect(options)
  try {
    process.stdout.write(exportPolicy((await rulesOf(cluster)).rules))
    return 0
  } finally {
    cluster.close()
  }
}
