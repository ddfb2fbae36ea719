import { Worker } from 'node:worker_threads'
import type { RunResult } from './run-seed.ts'
import type { SettingsOverrides } from './settings.ts'

export interface RunSeedsOptions {
  readonly jobs: number
  readonly overrides: SettingsOverrides
  /** Else the first failure ends it. */
  readonly keepGoing: boolean
}

export interface Job {
  readonly seed: number
  readonly overrides: SettingsOverrides
}

/** Runs many seeds on several threads; results come in the order in which they are ready. */
export function runSeeds(
  seeds: readonly number[],
  options: RunSeedsOptions,
  onResult: (result: RunResult) => void,
): Promise<void> {
  const waiting = [...seeds]
  const run = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      const next = (): void => {
        const seed = waiting.shift()
        if (seed === undefined) return void worker.terminate().then(() => resolve(), reject)
        worker.postMessage({ seed, overrides: options.overrides } satisfies Job)
      }
      worker.on('message', (result: RunResult) => {
        onResult(result)
        if (result.failure && !options.keepGoing) waiting.length = 0
        next()
      })
      worker.on('error', reject)
      next()
    })
  const count = Math.max(1, Math.min(options.jobs, seeds.length))
  const workers = Array.from({ length: count }, () => new Worker(new URL('./seed-worker.ts', import.meta.url)))
  return Promise.all(workers.map(run)).then(() => undefined)
}
