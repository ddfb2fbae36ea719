/** A short pass of the comparison with etcd; `npm run differential` is the long one. */
import { test } from 'node:test'
import { describeStep } from './describe.ts'
import { generateSteps } from './generator.ts'
import { KnownDifferences } from './known-differences.ts'
import { runSteps } from './run-steps.ts'
import { ServerPairs } from './server-pairs.ts'

const seed = 1
const requests = 2000

test(`${requests} random requests have the same answers as in etcd`, async () => {
  await using pairs = new ServerPairs()
  const found = await runSteps(pairs, generateSteps(seed, requests), new KnownDifferences())
  if (found === null) return
  const { area, message, etcd, leasehold } = found.difference
  const last = found.steps.slice(-10).map((step) => describeStep(step).slice(0, 1000))
  throw new Error(
    `${area}: ${message}\netcd: ${etcd.slice(0, 2000)}\nleasehold: ${leasehold.slice(0, 2000)}\n` +
      `after ${found.steps.length} steps, of which the last are:\n${last.join('\n')}\n` +
      `npm run differential -- --seed ${seed} --session ${requests} looks for the fewest that show it`,
  )
})
