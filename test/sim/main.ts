/** Runs the simulator: `npm run sim -- --seed N` replays one run, `--seeds N` runs many. */

import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import { type RunResult, runSeed } from './run-seed.ts'
import { runSeeds } from './run-seeds.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '200' },
    from: { type: 'string' },
    /** Virtual milliseconds with faults. */
    steps: { type: 'string' },
    jobs: { type: 'string' },
    verbose: { type: 'boolean', default: false },
    'keep-going': { type: 'boolean', default: false },
  },
})

const print = (line: string): void => void process.stdout.write(`${line}\n`)

function numberOf(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined
  const number = Number(text)
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${name} must be a whole number`)
  return number
}

function report(result: RunResult, withTail: boolean): void {
  const { seed, failure } = result
  if (!failure) return
  if (withTail) for (const line of failure.tail) print(line)
  print(`FAILED seed ${seed}: ${failure.message}`)
  print(`  replay: npm run sim -- --seed ${seed}`)
}

const summary = (result: RunResult): string =>
  `seed ${result.seed}: ${Math.round(result.virtualMs)} ms, ${result.entries} entries, ${result.writes} writes, ` +
  `${result.reads} reads, trace ${result.traceHash}`

const faultsMs = numberOf(values.steps, 'steps')
const overrides = faultsMs === undefined ? {} : { faultsMs }
const seed = numberOf(values.seed, 'seed')
if (seed !== undefined) {
  const result = runSeed(seed, { ...overrides, ...(values.verbose ? { onLine: print } : {}) })
  print(summary(result))
  report(result, !values.verbose)
  process.exitCode = result.failure ? 1 : 0
} else {
  const from = numberOf(values.from, 'from') ?? 1
  const count = numberOf(values.seeds, 'seeds')!
  const jobs = numberOf(values.jobs, 'jobs') ?? Math.max(1, Math.min(4, availableParallelism() - 1))
  const seeds = Array.from({ length: count }, (_, i) => from + i)
  const failed: RunResult[] = []
  const totals = { runs: 0, entries: 0, writes: 0, reads: 0, searchesGivenUp: 0 }
  await runSeeds(seeds, { jobs, overrides, keepGoing: values['keep-going'] }, (result) => {
    totals.runs++
    totals.entries += result.entries
    totals.writes += result.writes
    totals.reads += result.reads
    totals.searchesGivenUp += result.searchesGivenUp
    if (values.verbose) print(summary(result))
    if (!result.failure) return
    failed.push(result)
    report(result, failed.length === 1)
  })
  print(
    `${totals.runs} runs, ${failed.length} failed; ${totals.entries} entries, ${totals.writes} writes, ` +
      `${totals.reads} reads; ${totals.searchesGivenUp} searches given up`,
  )
  process.exitCode = failed.length > 0 ? 1 : 0
}
