import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { bootstrapState } from '../../../src/apply/bootstrap.ts'
import { clusterId } from '../../../src/base/ids.ts'
import { silentLog } from '../../../src/base/log.ts'
import { getApplied, getCompactionProgress, getCompactRevision } from '../../../src/mvcc/meta.ts'
import type { Entry } from '../../../src/raft/types.ts'
import { ApplyStage } from '../../../src/replica/apply-stage.ts'
import { openLmdbState } from '../../../src/storage/lmdb-state.ts'
import { dump } from '../../contract/state-store.ts'
import { logs } from '../../support/arbitrary-commands.ts'
import { memberRecord, self } from '../../support/commands.ts'
import { ApplyMember, type Plan, type Run } from './apply-member.ts'

const turns = <T>(value: fc.Arbitrary<T>) => fc.array(value, { minLength: 1, maxLength: 5 })

const plans: fc.Arbitrary<Plan> = fc.record({
  chunks: turns(fc.integer({ min: 1, max: 20 })),
  callbacks: turns(fc.integer({ min: 0, max: 6 })),
  wants: turns(fc.boolean()),
  compactionBatch: fc.constantFrom(1, 2, 5, 1000),
  pauseEnds: turns(fc.boolean()),
  incidents: fc.array(
    fc.record({
      chunk: fc.nat(12),
      kind: fc.constantFrom('crash' as const, 'snapshot' as const, 'fault' as const),
      at: fc.nat(8),
    }),
    { maxLength: 4 },
  ),
})

/** Takes everything at once, answers everybody, and nothing goes wrong. */
const plain: Plan = {
  chunks: [1000],
  callbacks: [1000],
  wants: [true],
  compactionBatch: 1000,
  pauseEnds: [true],
  incidents: [],
}

function sameOutcomes(one: Run, other: Run): void {
  for (const [index, verdict] of one.verdicts) {
    // An entry that came to the other member within a snapshot was not applied there.
    if (other.verdicts.has(index)) assert.deepEqual(other.verdicts.get(index), verdict)
  }
  for (const [index, body] of one.bodies) {
    if (other.bodies.has(index)) assert.equal(other.bodies.get(index), body)
  }
}

test('the same log makes the same state, byte for byte, and the same verdicts, whatever happens to a member', () => {
  fc.assert(
    fc.property(logs, plans, plans, (log, planA, planB) => {
      const expected = new ApplyMember(log, plain).run()
      assert.equal(expected.verdicts.size, log.length)
      for (const plan of [planA, planB]) {
        const run = new ApplyMember(log, plan).run()
        assert.deepEqual(run.state, expected.state)
        sameOutcomes(expected, run)
      }
    }),
    { numRuns: 300 },
  )
})

/** Applies a log to LMDB in several lives of a member. @returns all tables. */
async function onLmdb(dir: string, log: readonly Entry[], lives: number): Promise<string[]> {
  for (let life = 1; ; life++) {
    const { store } = await openLmdbState({ dir, log: silentLog })
    if (life === 1) {
      const bootstrap = { clusterId: clusterId(9n), members: [memberRecord({ id: self })] }
      await new Promise<void>((resolve) =>
        store.transact(
          (view) => bootstrapState(view, bootstrap),
          () => resolve(),
        ),
      )
    }
    const end = Math.ceil((log.length * life) / lives)
    await new Promise<void>((resolve, reject) => {
      const check = (): void => {
        const isDone = store.read((view) => {
          const isCompacted = getCompactionProgress(view).finished >= getCompactRevision(view)
          return getApplied(view).index === end && isCompacted
        })
        if (isDone) stage.stop(resolve)
      }
      const after = (ms: number, callback: () => void) => {
        const timer = setTimeout(callback, ms)
        return { cancel: () => clearTimeout(timer) }
      }
      const hooks = { wants: () => false, applied: () => {}, committed: check, compacted: check, after, failed: reject }
      const stage = new ApplyStage(store, hooks, { batchLimit: life, pauseMs: 1 })
      stage.enqueue(log.slice(store.read(getApplied).index, end))
      stage.run()
    })
    const state = store.read(dump)
    await store.close()
    if (life === lives) return state
  }
}

test('a member on LMDB that is restarted comes to the same bytes', { timeout: 60_000 }, async () => {
  for (const log of fc.sample(logs, { seed: 7, numRuns: 15 })) {
    const dir = await mkdtemp(join(tmpdir(), 'leasehold-apply-'))
    const lives = Math.min(3, log.length)
    assert.deepEqual(await onLmdb(dir, log, lives), new ApplyMember(log, plain).run().state)
    await rm(dir, { recursive: true })
  }
})
