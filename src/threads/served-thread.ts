import type { ServingCounts } from './serving-counts.ts'

/** A place where clients are served, as operators see it. */
export interface ServedThread {
  readonly counts: ServingCounts
  readonly isRunning: boolean
  /** Times that it was started again. */
  readonly restarts: number
  /** For how long its present thread has been at work. */
  readonly activeSeconds: number
}
