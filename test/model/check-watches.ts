import type { TestMember } from '../support/member.ts'
import type { Change, LiveWatch } from './live-watch.ts'
import { Mismatch } from './world.ts'

const arriveMsMax = 15_000

/**
 * Waits until each watch has delivered what it has to, and compares. One whose rights have ended must be canceled and may
 * have delivered any beginning of its share up to then; any other must have delivered all of it, and nothing else.
 *
 * @param history all changes of data up to `through`.
 * @param away members that cannot be asked now; their watches are left for later.
 * @returns those of which nothing more is to come.
 * @throws Mismatch
 */
export async function checkWatches(
  watches: readonly LiveWatch[],
  history: readonly Change[],
  through: number,
  away: ReadonlySet<TestMember>,
): Promise<Set<LiveWatch>> {
  const over = new Set<LiveWatch>()
  for (const watch of watches) {
    watch.take()
    if (away.has(watch.plan.member) && !watch.lost) continue
    if (await check(watch, history, through)) over.add(watch)
  }
  return over
}

async function check(watch: LiveWatch, history: readonly Change[], through: number): Promise<boolean> {
  const { rightsEndedAt, mayHaveGoneOn } = watch
  const share = watch.shareOf(history, through)
  const hasAll = (): boolean => delivered(watch, through).length >= share.length
  if (rightsEndedAt !== null && !mayHaveGoneOn) {
    const hasEnded = await watch.until(() => watch.canceled !== null || watch.lost, arriveMsMax)
    if (!hasEnded) throw new Mismatch(`${watch} goes on, and its rights ended at revision ${rightsEndedAt}`)
    expectBeginning(watch, watch.shareOf(history, rightsEndedAt))
    return true
  }
  await watch.until(() => hasAll() || watch.canceled !== null || watch.lost, arriveMsMax)
  if (watch.canceled !== null && !mayHaveGoneOn) throw new Mismatch(`${watch} was canceled: ${watch.canceled}`)
  expectBeginning(watch, watch.shareOf(history, Number.POSITIVE_INFINITY), through)
  if (watch.lost || watch.canceled !== null) return true
  if (!hasAll()) {
    throw new Mismatch(
      `${watch} delivered ${delivered(watch, through).length} of ${share.length} changes up to ${through}`,
    )
  }
  return false
}

const delivered = ({ changes }: LiveWatch, through: number): Change[] =>
  changes.filter(({ revision }) => revision <= through)

/** @param through what came later is not in the history yet. */
function expectBeginning(watch: LiveWatch, share: readonly Change[], through = Number.POSITIVE_INFINITY): void {
  for (const [index, { text }] of delivered(watch, through).entries()) {
    const wanted = share[index]?.text ?? 'nothing'
    if (text !== wanted) {
      const ended = watch.rightsEndedAt === null ? '' : `; its rights ended at revision ${watch.rightsEndedAt}`
      throw new Mismatch(`${watch} delivered ${text} instead of ${wanted}${ended}`)
    }
  }
}
