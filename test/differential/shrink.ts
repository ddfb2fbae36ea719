import type { Difference } from './difference.ts'
import { KnownDifferences } from './known-differences.ts'
import { type Found, runSteps } from './run-steps.ts'
import type { ServerPairs } from './server-pairs.ts'
import { smallerTxns } from './shrink-txn.ts'
import { isRead, type Step } from './step.ts'

/** Kinds of steps that may be enough to show something. */
const projections: readonly ((step: Step) => boolean)[] = [
  (step) => !isRead(step),
  (step) => step.kind === 'call' && step.method.startsWith('Lease'),
  (step) => step.kind !== 'call' || step.method === 'Put' || step.method === 'DeleteRange' || step.method === 'Compact',
  (step) => step.kind === 'call',
]

/**
 * Fewer steps that show the same difference: first the shortest of some tails, then by leaving out parts, at last a
 * smaller transaction where it shows. Every try takes a fresh pair of servers.
 */
export async function shrink(pairs: ServerPairs, found: Found, timeMs: number): Promise<Found> {
  const deadline = performance.now() + timeMs
  let best = found
  const improves = async (steps: readonly Step[], lengthMax = best.steps.length - 1): Promise<boolean> => {
    if (steps.length > lengthMax || performance.now() > deadline) return false
    const again = await runSteps(pairs, steps, new KnownDifferences()).catch(() => null)
    if (again === null || !isSame(again.difference, found.difference)) return false
    best = again
    return true
  }
  for (const length of [1, 2, 5, 20, 100, 400, 1500]) if (await improves(found.steps.slice(-length))) break
  for (const kinds of projections) {
    const last = best.steps.length - 1
    await improves(best.steps.filter((step, index) => index === last || kinds(step)))
  }
  for (let part = Math.ceil(best.steps.length / 2); part >= 1; part = Math.floor(part / 2)) {
    // The last step is where it shows.
    for (let end = best.steps.length - 1; end > 0; ) {
      const start = Math.max(0, end - part)
      await improves([...best.steps.slice(0, start), ...best.steps.slice(end)])
      end = Math.min(start, best.steps.length - 1)
    }
  }
  for (let smaller: boolean = true; smaller && performance.now() < deadline; ) {
    smaller = false
    const last = best.steps.at(-1)!
    if (last.kind !== 'call' || last.method !== 'Txn') break
    for (const message of smallerTxns(last.message)) {
      const steps: Step[] = [...best.steps.slice(0, -1), { ...last, message }]
      smaller = await improves(steps, steps.length)
      if (smaller) break
    }
  }
  return best
}

/** The same kind of thing: revisions change when steps are left out. */
function isSame(a: Difference, b: Difference): boolean {
  return a.area === b.area && plain(a.message) === plain(b.message)
}

const plain = (text: string): string => text.replaceAll(/\d+/g, 'n')
