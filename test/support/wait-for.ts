import { setTimeout as sleep } from 'node:timers/promises'

const pollMs = 50

/** Says that something hangs, not that it is slow: what has to be quick is given a time of its own. */
const hangingMs = 60_000

/**
 * Polls until `condition` gives something else than null, undefined or false. A rejection counts as "not yet" and is
 * shown if time runs out.
 */
export async function waitFor<T>(
  what: string,
  condition: () => Promise<T | null | undefined | false> | T | null | undefined | false,
  timeoutMs = hangingMs,
): Promise<T> {
  const deadline = performance.now() + timeoutMs
  let last: unknown = 'the condition was never true'
  for (;;) {
    try {
      const result = await condition()
      if (result !== null && result !== undefined && result !== false) return result
    } catch (error) {
      last = error
    }
    if (performance.now() > deadline) throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: last })
    await sleep(pollMs)
  }
}
