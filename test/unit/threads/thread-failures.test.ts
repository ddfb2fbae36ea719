/** Threads that die, that cannot start, and that are closed or get another state at any moment. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { silentLog } from '../../../src/base/log.ts'
import { startServingThreads } from '../../../src/threads/serving-threads.ts'
import { waitFor } from '../../support/wait-for.ts'
import { within } from '../../support/within.ts'
import { FakeCore, fakeInfo } from './support/fake-core.ts'
import { goodEntry, startThreads } from './support/threads-harness.ts'
import type { EntryOptions } from './support/worker-entry.ts'

const failed = 'a serving thread failed'
const startedAgain = 'a serving thread ended and is started again'
/** No worker is made from it: like a system that has no thread left to give. */
const impossibleEntry = new URL('http://127.0.0.1/')

const coreIsAlone = (core: FakeCore): void =>
  assert.deepEqual([core.committedListeners.size, core.leaderListeners.size], [0, 0])

test('a thread that dies is started again, and the core forgets what it had asked', async (t) => {
  const { core, ready, ask, errors, seen, untilDown } = startThreads(t)
  await ready
  const lost = ask({ do: 'propose', kind: 'put', request: Uint8Array.of(1) })
  lost.catch(() => {})
  await waitFor('the proposal', () => core.proposals.length === 1)
  await ask({ do: 'crash' })
  await untilDown()
  coreIsAlone(core)
  core.proposals[0]!.done(null, { ok: true, revision: 1, body: new Uint8Array(0) })
  core.commit({ put: 'a' })
  await waitFor('the thread serves again', () => seen.hellos === 2)
  assert.deepEqual(await ask({ do: 'known' }), { leader: 7n, term: 3, revision: 2, info: fakeInfo })
  assert.deepEqual(errors, [failed, startedAgain])
})

const replacements: readonly {
  readonly when: string
  readonly reach: (harness: ReturnType<typeof startThreads>) => Promise<unknown> | undefined
  /** Null: it may be either way. */
  readonly releasedAtOnce: boolean | null
  readonly starts: number
}[] = [
  { when: 'is starting', reach: () => undefined, releasedAtOnce: false, starts: 1 },
  // By the time that its last word is here it may have died.
  { when: 'is about to die', reach: ({ ask }) => ask({ do: 'crash' }), releasedAtOnce: null, starts: 2 },
  {
    when: 'is down',
    reach: async ({ ask, untilDown }) => {
      await ask({ do: 'crash' })
      await untilDown()
    },
    releasedAtOnce: true,
    starts: 2,
  },
]
for (const { when, reach, releasedAtOnce, starts } of replacements)
  test(`a state replaced while a thread ${when} is released once, and the new one is read`, async (t) => {
    const harness = startThreads(t)
    if (starts > 1) await harness.ready
    await reach(harness)
    let released = 0
    harness.replaceState(harness.paths[1], () => released++)
    if (releasedAtOnce !== null) assert.equal(released, releasedAtOnce ? 1 : 0)
    await waitFor('the thread serves', () => harness.seen.hellos === starts)
    await waitFor('the old state is released', () => released > 0)
    assert.equal(await harness.ask({ do: 'read' }), 'two')
    assert.equal(released, 1)
  })

function startUnready(t: TestContext, core: FakeCore, options: { serve?: EntryOptions; entry: URL }): Promise<void> {
  const threads = startServingThreads<EntryOptions>({
    count: 2,
    core,
    statePath: () => '/dev/null',
    onStateReplaced: () => {},
    serve: { channel: 'unused' },
    log: silentLog,
    ...options,
  })
  t.after(() => within('all threads have ended', threads.close()))
  return within('the threads refuse', threads.ready)
}

test('a thread that cannot serve refuses the start, with its reason', async (t) => {
  const core = new FakeCore()
  const serve = { channel: 'unused', refuse: 'the address is in use' }
  await assert.rejects(startUnready(t, core, { serve, entry: goodEntry }), /^Error: the address is in use$/)
  coreIsAlone(core)
})

test('a thread that cannot be made refuses the start', async (t) => {
  const core = new FakeCore()
  await assert.rejects(startUnready(t, core, { entry: impossibleEntry }), { code: 'ERR_INVALID_URL_SCHEME' })
  coreIsAlone(core)
})

test('a thread that cannot be made again is tried until it can', async (t) => {
  const entries = [goodEntry, impossibleEntry, impossibleEntry]
  const { ready, ask, errors, seen } = startThreads(t, { entry: () => entries.shift() ?? goodEntry })
  await ready
  await ask({ do: 'crash' })
  await waitFor('the thread serves again', () => seen.hellos === 2)
  assert.deepEqual(errors, [failed, startedAgain, failed, startedAgain, failed, startedAgain])
})

test('closing twice is closing once', async (t) => {
  const { core, ready, close } = startThreads(t, { count: 2 })
  await ready
  await Promise.all([close(0), close(0)])
  coreIsAlone(core)
})

test('threads that are starting are closed when they have started', async (t) => {
  const { core, ready, close, errors } = startThreads(t, { count: 2 })
  await Promise.all([ready, close(10_000)])
  coreIsAlone(core)
  assert.deepEqual(errors, [])
})

test('a thread that is down when the others are closed stays down', async (t) => {
  const { core, ready, ask, close, seen, untilDown } = startThreads(t, { restartMsMin: 60_000 })
  await ready
  await ask({ do: 'crash' })
  await untilDown()
  await close(0)
  coreIsAlone(core)
  assert.equal(seen.hellos, 1)
})

test('what a thread counted is there after its death, and what it had open is not', async (t) => {
  const { ready, ask, threads, seen, untilDown } = startThreads(t)
  await ready
  const [thread] = threads
  await ask({ do: 'count' })
  await ask({ do: 'count' })
  assert.deepEqual([thread!.counts.calls.begunOf(0), thread!.counts.watches.watchers], [2, 2])
  assert.deepEqual([thread!.isRunning, thread!.restarts], [true, 0])
  assert.ok(thread!.activeSeconds > 0)
  await ask({ do: 'crash' })
  await untilDown()
  assert.deepEqual([thread!.isRunning, thread!.activeSeconds], [false, 0])
  assert.deepEqual([thread!.counts.calls.begunOf(0), thread!.counts.watches.watchers], [2, 0])
  await waitFor('the thread serves again', () => seen.hellos === 2)
  await ask({ do: 'count' })
  assert.deepEqual([thread!.counts.calls.begunOf(0), thread!.counts.watches.watchers], [3, 1])
  assert.deepEqual([thread!.isRunning, thread!.restarts], [true, 1])
})

test('a thread that is asked for metrics gets those of the process, or learns that there are none', async (t) => {
  const answers = [Promise.resolve('some 1'), Promise.reject(new Error('broken'))]
  for (const answer of answers) answer.catch(() => {})
  const { ready, ask, errors } = startThreads(t, { metrics: () => answers.shift()! })
  await ready
  assert.equal(await ask({ do: 'metrics' }), 'some 1')
  await assert.rejects(ask({ do: 'metrics' }), /the metrics cannot be had/)
  assert.deepEqual(errors, ['cannot put the metrics together'])
})
