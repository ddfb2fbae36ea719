import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { test } from 'node:test'
import { type RunResult, runSeed } from './run-seed.ts'
import { runSeeds } from './run-seeds.ts'
import type { SettingsOverrides } from './settings.ts'

const fixedSeeds = Array.from({ length: 200 }, (_, i) => i + 1)
const fewSeeds = fixedSeeds.slice(0, 20)
const freshSeeds = Array.from({ length: 20 }, () => randomInt(1_000_000, 2 ** 31))

// Snapshots with writes in them whose senders still wait for an answer: rare unless little of the log is kept.
const snapshots: SettingsOverrides = {
  faults: ['partition', 'transfer'],
  members: 3,
  logKeepEntries: 4,
  clients: 6,
  faultEveryMs: 400,
}

for (const { name, seeds, overrides } of [
  { name: 'the fixed seeds', seeds: fixedSeeds, overrides: {} },
  { name: 'partitions that end with snapshots', seeds: fewSeeds, overrides: snapshots },
  { name: `fresh seeds ${freshSeeds.join(' ')}`, seeds: freshSeeds, overrides: {} },
]) {
  test(`clusters keep their promises under ${name}`, async (context) => {
    const results: RunResult[] = []
    await runSeeds(seeds, { jobs: 2, overrides, keepGoing: true }, (result) => results.push(result))
    const failed = results.filter((result) => result.failure)
    for (const { seed, failure } of failed) {
      const replay = overrides === snapshots ? `runSeed(${seed}, snapshots)` : `npm run sim -- --seed ${seed}`
      context.diagnostic(`seed ${seed}: ${failure!.message}; replay: ${replay}`)
    }
    for (const line of failed[0]?.failure?.tail ?? []) context.diagnostic(line)
    assert.equal(results.length, seeds.length)
    assert.deepEqual(
      failed.map((result) => result.seed),
      [],
    )
    const writes = results.reduce((sum, result) => sum + result.writes, 0)
    assert.ok(writes > 20 * seeds.length, `the runs did something: ${writes} writes`)
  })
}

test('a seed gives the same run every time', () => {
  for (const seed of [1, 2, 3]) {
    const first = runSeed(seed)
    const second = runSeed(seed)
    assert.equal(first.traceHash, second.traceHash)
    assert.equal(first.entries, second.entries)
    assert.notEqual(first.traceHash, runSeed(seed + 1000).traceHash)
  }
})
