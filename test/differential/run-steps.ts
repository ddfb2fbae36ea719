import { Difference } from './difference.ts'
import type { KnownDifferences } from './known-differences.ts'
import type { ServerPairs } from './server-pairs.ts'
import { Session } from './session.ts'
import type { Step } from './step.ts'

export interface Found {
  readonly difference: Difference
  /** All that was sent, up to the step in which it showed. */
  readonly steps: readonly Step[]
}

/** Runs steps against a fresh pair of servers. @returns the first difference, or null. */
export function runSteps(pairs: ServerPairs, steps: Iterable<Step>, known: KnownDifferences): Promise<Found | null> {
  return pairs.with(async ({ etcd, leasehold }) => {
    const session = new Session(etcd, leasehold, known)
    const taken: Step[] = []
    try {
      await session.run(steps, (step) => taken.push(step))
      return null
    } catch (error) {
      for (const server of [etcd, leasehold]) {
        if (!server.isRunning) throw new Error(`${server.program} has ended:\n${server.logTail()}`, { cause: error })
      }
      if (error instanceof Difference) return { difference: error, steps: taken }
      throw error
    } finally {
      session.close()
    }
  })
}
