import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bootstrapState } from '../../../src/apply/bootstrap.ts'
import { clusterId } from '../../../src/base/ids.ts'
import { getCompactionProgress } from '../../../src/mvcc/meta.ts'
import type { Entry } from '../../../src/raft/types.ts'
import { ApplyStage } from '../../../src/replica/apply-stage.ts'
import { MemoryState } from '../../../src/storage/memory-state.ts'
import { Command_Kind } from '../../../src/wire/gen/internal.ts'
import { CompactionRequest, PutRequest } from '../../../src/wire/gen/rpc.ts'
import { bytes, commandData, memberRecord, putRequest, self } from '../../support/commands.ts'

/** A stage whose disk and timers go on when they are told to. */
function stageOf(pace: { batchLimit: number; pauseMs: number }) {
  const callbacks: (() => void)[] = []
  const timers: { readonly ms: number; readonly fire: () => void }[] = []
  const log: string[] = []
  const state = new MemoryState({ schedule: (callback) => callbacks.push(callback) })
  const settle = (): void => {
    for (let callback = callbacks.shift(); callback; callback = callbacks.shift()) callback()
  }
  state.transact(
    (view) => bootstrapState(view, { clusterId: clusterId(9n), members: [memberRecord({ id: self })] }),
    assert.ifError,
  )
  settle()
  const hooks = {
    wants: () => false,
    applied: () => {},
    committed: ({ appliedIndex }: { appliedIndex: number }) => log.push(`applied ${appliedIndex}`),
    compacted: () => log.push('compacted'),
    after: (ms: number, fire: () => void) => {
      const timer = { ms, fire }
      timers.push(timer)
      return { cancel: () => timers.splice(timers.indexOf(timer), 1) }
    },
    failed: (error: Error) => assert.fail(error),
  }
  const open = (): ApplyStage => new ApplyStage(state, hooks, pace)
  const next = (): number => state.read((view) => getCompactionProgress(view).next)
  return { stage: open(), open, state, settle, timers, log, next }
}

const entry = (index: number, kind: Command_Kind, request: Uint8Array): Entry => ({
  term: 1,
  index,
  type: 'normal',
  data: commandData(kind, request),
})
const put = (index: number): Entry =>
  entry(index, Command_Kind.PUT, PutRequest.encode(putRequest({ key: bytes('a') })).finish())
const compaction = (index: number, revision: bigint): Entry =>
  entry(index, Command_Kind.COMPACT, CompactionRequest.encode({ revision, physical: false }).finish())

const pace = { batchLimit: 3, pauseMs: 25 }
/** Revisions 2 to 11, and a compaction to 11: 10 changes. */
const compactedPuts = [...Array.from({ length: 10 }, (_, i) => put(i + 1)), compaction(11, 11n)]

test('a compaction proceeds in steps with pauses, in which writes go on', () => {
  const { stage, settle, timers, log, next } = stageOf(pace)
  stage.enqueue(compactedPuts)
  stage.run()
  settle()
  assert.deepEqual(
    timers.map(({ ms }) => ms),
    [25],
  )
  assert.equal(next(), 5)
  stage.enqueue([put(12), put(13)])
  stage.run()
  settle()
  assert.deepEqual(log, ['applied 11', 'applied 13'])
  assert.equal(next(), 5)
  for (const at of [8, 11]) {
    timers.shift()!.fire()
    settle()
    assert.equal(next(), at)
  }
  timers.shift()!.fire()
  settle()
  assert.deepEqual(log.slice(2), ['compacted'])
  assert.equal(timers.length, 0)
})

test('writes that wait do not keep a compaction from going on', () => {
  const { stage, settle, timers, next } = stageOf(pace)
  stage.enqueue(compactedPuts)
  stage.run()
  settle()
  // A transaction is under way when the pause ends, and more wait.
  stage.enqueue([put(12)])
  stage.run()
  timers.shift()!.fire()
  stage.enqueue([put(13)])
  settle()
  assert.equal(next(), 8)
})

test('after a crash a compaction goes on where it was', () => {
  const { stage, open, settle, timers, log, next } = stageOf(pace)
  stage.enqueue(compactedPuts)
  stage.run()
  settle()
  stage.stop()
  assert.equal(timers.length, 0)
  assert.equal(next(), 5)
  const again = open()
  again.run()
  settle()
  assert.equal(next(), 8)
  while (timers.length > 0) {
    timers.shift()!.fire()
    settle()
  }
  assert.deepEqual(log, ['applied 11', 'compacted'])
})

test('a state that is replaced during a pause is compacted by its own marks', () => {
  const { stage, settle, timers, log } = stageOf(pace)
  stage.enqueue(compactedPuts)
  stage.run()
  settle()
  let replaced = false
  stage.pause(() => {
    replaced = true
  })
  assert.ok(replaced)
  assert.equal(timers.length, 0)
  stage.resume()
  stage.run()
  settle()
  while (timers.length > 0) {
    timers.shift()!.fire()
    settle()
  }
  assert.deepEqual(log, ['applied 11', 'compacted'])
})
