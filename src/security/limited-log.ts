import type { Log } from '../base/log.ts'

/** Warnings that the other side of a connection can provoke at will: at most so many per interval get through. */
export interface LimitedLog {
  warn(message: string, fields: Record<string, unknown>): void
}

/**
 * @param burst warnings let through in each interval; the first of the next one tells how many were left out.
 * @param nowMs any steady clock in milliseconds.
 */
export function limitedLog(log: Log, burst: number, intervalMs: number, nowMs = () => performance.now()): LimitedLog {
  let intervalStart = Number.NEGATIVE_INFINITY
  let used = 0
  let suppressed = 0
  return {
    warn(message, fields) {
      const now = nowMs()
      if (now - intervalStart >= intervalMs) {
        intervalStart = now
        used = 0
      }
      if (used >= burst) {
        suppressed++
        return
      }
      used++
      if (suppressed === 0) log.warn(message, fields)
      else log.warn(message, { ...fields, suppressed })
      suppressed = 0
    },
  }
}
