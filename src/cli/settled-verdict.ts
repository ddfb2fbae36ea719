import { statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { fileName } from '../audit/seal.ts'
import { readTrailFolder, type TrailFolder } from '../audit/trail-folder.ts'
import type { Verdict } from '../audit/verify.ts'

const looksMax = 10
const betweenLooksMs = 200

/** The verdict on a trail that may be in the middle of being written, or of losing its oldest file. */
export async function settledVerdict(dir: string, look: (trail: TrailFolder) => Verdict): Promise<Verdict> {
  const trail = readTrailFolder(dir)
  for (let looks = 1; ; looks++) {
    const before = endOf(dir, trail)
    let verdict: Verdict | null = null
    try {
      verdict = look(trail)
      if (!verdict.isUnfinished || looks === looksMax) return verdict
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || looks === looksMax) throw error
    }
    await pause(betweenLooksMs)
    if (verdict !== null && endOf(dir, trail) === before) return verdict
  }
}

/** Another one whenever something was written. */
function endOf(dir: string, trail: TrailFolder): string {
  const last = trail.list().at(-1)
  const found = last === undefined ? undefined : statSync(join(dir, fileName(last)), { throwIfNoEntry: false })
  return `${last} ${found?.size} ${found?.mtimeMs}`
}
