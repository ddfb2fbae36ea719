import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommittedBatch } from '../../../src/apply/outcome.ts'
import type { ApplyStage } from '../../../src/replica/apply-stage.ts'
import type { PersistStage } from '../../../src/replica/persist-stage.ts'
import type { Done, StagedState } from '../../../src/replica/ports.ts'
import { SnapshotInstall } from '../../../src/replica/snapshot-install.ts'

const snapshot = { index: 9, term: 2 }
const replaced: CommittedBatch = { appliedIndex: 9, revision: 5, compactRevision: 0, events: [], replaced: true }

/** Stages and a state that note what is asked of them, and wait to be told that it is done. */
function open() {
  const steps: string[] = []
  const next: Done[] = []
  const persist = {
    suspend: () => steps.push('suspend log'),
    reset: ({ index }: typeof snapshot, done: Done) => next.push(done) && steps.push(`reset log to ${index}`),
  }
  const apply = {
    pause: (idle: Done) => next.push(idle) && steps.push('pause state'),
    resume: () => steps.push('resume state') && replaced,
  }
  const staged = { install: (done: Done) => next.push(done) && steps.push('replace state') }
  const failures: Error[] = []
  const install = new SnapshotInstall(persist as unknown as PersistStage, apply as unknown as ApplyStage, (error) =>
    failures.push(error),
  )
  const done: CommittedBatch[] = []
  const run = (): void => install.run(snapshot, staged as unknown as StagedState, (batch) => done.push(batch))
  return { install, run, steps, done, failures, go: (error?: Error) => next.shift()!(error) }
}

test('the state is replaced first and the log after it, and nothing else is done until both are', () => {
  const { install, run, steps, done, go } = open()
  assert.equal(install.isRunning, false)
  run()
  assert.deepEqual(steps, ['suspend log', 'pause state'])
  go()
  go()
  assert.deepEqual(steps.slice(2), ['replace state', 'reset log to 9'])
  assert.deepEqual([install.isRunning, done], [true, []])
  go()
  assert.deepEqual([install.isRunning, done, steps.slice(4)], [false, [replaced], ['resume state']])
})

test('a state that cannot be replaced is a failure, and the log stays', () => {
  const { install, run, steps, failures, go } = open()
  run()
  go()
  go(new Error('no space'))
  assert.deepEqual([failures.map(({ message }) => message), install.isRunning], [['no space'], true])
  assert.equal(steps.at(-1), 'replace state')
})

test('a member that stops meanwhile leaves the log for its next start', () => {
  const { install, run, steps, done, go } = open()
  run()
  go()
  install.stop()
  go()
  assert.deepEqual([steps.at(-1), done], ['replace state', []])
})

test('an install that was cut short after the state is finished with the log', () => {
  const { install, steps, go } = open()
  let finished = 0
  install.finish(snapshot, () => finished++)
  assert.deepEqual([install.isRunning, finished, steps], [true, 0, ['suspend log', 'reset log to 9']])
  go()
  assert.deepEqual([install.isRunning, finished], [false, 1])
})
