import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { BroadcastChannel } from 'node:worker_threads'
import type { CommittedBatch } from '../../../src/apply/outcome.ts'
import type { Log } from '../../../src/base/log.ts'
import { silentLog } from '../../../src/base/log.ts'
import { EtcdError } from '../../../src/errors.ts'
import { startServingThreads } from '../../../src/threads/serving-threads.ts'
import { FakeCore, fakeInfo } from './support/fake-core.ts'
import type { EntryOptions, ThreadCommand } from './support/worker-entry.ts'

const entry = new URL('./support/worker-entry.ts', import.meta.url)
let channels = 0

interface Reply {
  readonly id?: number
  readonly answer?: unknown
  readonly refusal?: string
  readonly batch?: CommittedBatch
}

/** Resolves as soon as `condition` holds. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await turn()
}

function start(t: TestContext, options: { count?: number; log?: Log } = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'threads-'))
  const paths = [join(dir, 'state-1'), join(dir, 'state-2')] as const
  writeFileSync(paths[0], 'one')
  writeFileSync(paths[1], 'two')
  const core = new FakeCore()
  const name = `threads-test-${process.pid}-${channels++}`
  const channel = new BroadcastChannel(name)
  const batches: CommittedBatch[] = []
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  channel.onmessage = (event) => {
    const reply = event.data as Reply
    if (reply.batch !== undefined) batches.push(reply.batch)
    if (reply.id === undefined || !('answer' in reply || 'refusal' in reply)) return
    const call = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (reply.refusal !== undefined) call?.reject(new Error(reply.refusal))
    else call?.resolve(reply.answer)
  }
  let next = 0
  let replace: (path: string, release: () => void) => void = () => {}
  let path: string = paths[0]
  const threads = startServingThreads<EntryOptions>({
    count: options.count ?? 1,
    core,
    statePath: () => path,
    onStateReplaced: (callback) => {
      replace = callback
    },
    serve: { channel: name },
    log: options.log ?? silentLog,
    entry,
    restartMsMin: 1,
  })
  t.after(async () => {
    await threads.close(0)
    channel.close()
    rmSync(dir, { recursive: true })
  })
  return {
    core,
    threads,
    batches,
    paths,
    ask: (command: Omit<ThreadCommand, 'id'>): Promise<unknown> => {
      const id = next++
      const call = Promise.withResolvers<unknown>()
      waiting.set(id, call)
      channel.postMessage({ id, ...command })
      return call.promise
    },
    replaceState: (to: string, release: () => void) => {
      path = to
      replace(to, release)
    },
  }
}

test('a thread knows from its start what the core knows, and hears of changes', async (t) => {
  const { core, threads, ask } = start(t)
  await threads.ready
  assert.deepEqual(await ask({ do: 'known' }), { leader: 7n, term: 3, revision: 1, info: fakeInfo })
  core.setLeader(0n as never, 4)
  core.commit({ put: 'a' })
  // Its answer comes after them on the same way.
  await ask({ do: 'status' })
  assert.deepEqual(await ask({ do: 'known' }), { leader: 0n, term: 4, revision: 2, info: fakeInfo })
})

test('proposals reach the core with their bytes, and get verdicts, refusals and failures back', async (t) => {
  const { core, threads, ask } = start(t)
  await threads.ready
  const answers = [
    ask({ do: 'propose', kind: 'txn', request: Uint8Array.of(1, 2, 3) }),
    ask({ do: 'propose', kind: 'put', request: new Uint8Array(0) }),
    ask({ do: 'propose', kind: 'leaseRevoke', request: Uint8Array.of(9) }),
  ]
  const timedOut = assert.rejects(answers[2]!, /^Error: timeout$/)
  await until(() => core.proposals.length === 3)
  const [first, second, third] = core.proposals
  assert.equal(first!.kind, 'txn')
  assert.deepEqual([...first!.request], [1, 2, 3])
  third!.done(new EtcdError('timeout'), null)
  second!.done(null, { ok: false, revision: 4, reason: 'leaseNotFound' })
  first!.done(null, { ok: true, revision: 5, body: Uint8Array.of(7, 7) })
  assert.deepEqual(await answers[0], { ok: true, revision: 5, body: Uint8Array.of(7, 7) })
  assert.deepEqual(await answers[1], { ok: false, revision: 4, reason: 'leaseNotFound' })
  await timedOut
})

test('a barrier is one question for all readers of a turn, and waits for the visible state', async (t) => {
  const { core, threads, ask } = start(t)
  await threads.ready
  const answer = ask({ do: 'barrier' })
  await until(() => core.barriers.length > 0)
  assert.equal(core.barriers.length, 1)
  core.barriers[0]!(null, core.appliedIndex() + 1)
  core.commit({ put: 'a' })
  assert.equal(await answer, 2)
  const refused = assert.rejects(ask({ do: 'barrier' }), /^Error: timeout$/)
  await until(() => core.barriers.length > 1)
  core.barriers[1]!(new EtcdError('timeout'), 0)
  await refused
})

test('lease and status questions keep 64-bit ids', async (t) => {
  const { core, threads, ask } = start(t)
  await threads.ready
  const lease = 0x7fff_ffff_ffff_fff1n
  const renewed = ask({ do: 'renew', lease })
  const times = ask({ do: 'times', lease })
  await until(() => core.renewals.length === 1 && core.leaseQuestions.length === 1)
  assert.equal(core.renewals[0]!.id, lease)
  core.renewals[0]!.done(null, 60)
  core.leaseQuestions[0]!.done(null, { ttlSeconds: -1, grantedTtlSeconds: 0 })
  assert.equal(await renewed, 60)
  assert.deepEqual(await times, { ttlSeconds: -1, grantedTtlSeconds: 0 })
  assert.deepEqual(await ask({ do: 'status' }), core.status())
})

test('events come only to threads that listen; what was missed on the way shows as a replacement', async (t) => {
  const { core, threads, ask, batches } = start(t)
  await threads.ready
  core.commit({ put: 'a' })
  await ask({ do: 'listen' })
  // The thread listens, and the core may not have heard of it yet: either the event comes or the gap is marked.
  core.commit({ put: 'a' })
  await until(() => batches.length === 1)
  assert.equal(batches[0]!.revision, 3)
  assert.ok(batches[0]!.replaced || batches[0]!.events.length === 1)
  await ask({ do: 'status' })
  core.commit({ put: 'b', value: 'x' }, { delete: 'a' })
  await until(() => batches.length === 2)
  const { events, replaced, revision } = batches[1]!
  assert.deepEqual([replaced, revision], [false, 4])
  assert.deepEqual(
    events.map(({ type, key, created, previous }) => [type, Buffer.from(key).toString(), created, previous]),
    [
      ['put', 'b', true, null],
      ['delete', 'a', false, { main: 3, sub: 0 }],
    ],
  )
})

test('reads see the state at its present place; the old one is released when every thread has let go', async (t) => {
  const { threads, ask, replaceState, paths } = start(t, { count: 2 })
  await threads.ready
  assert.equal(await ask({ do: 'read' }), 'one')
  let released = 0
  replaceState(paths[1], () => released++)
  await until(() => released === 1)
  assert.equal(await ask({ do: 'read' }), 'two')
  assert.equal(released, 1)
})

test('a thread that dies is started again, and the core forgets what it had asked', async (t) => {
  const errors: string[] = []
  const { core, threads, ask } = start(t, { log: { ...silentLog, error: (message) => void errors.push(message) } })
  await threads.ready
  const lost = ask({ do: 'propose', kind: 'put', request: Uint8Array.of(1) })
  lost.catch(() => {})
  await until(() => core.proposals.length === 1)
  const listeners = core.committedListeners.size
  await ask({ do: 'crash' })
  await until(() => core.committedListeners.size === listeners - 1)
  core.proposals[0]!.done(null, { ok: true, revision: 1, body: new Uint8Array(0) })
  core.commit({ put: 'a' })
  await until(() => core.committedListeners.size === listeners)
  // Asked until the new thread listens to the test.
  let known: unknown = null
  while (known === null) known = await Promise.race([ask({ do: 'known' }), turn(null)])
  assert.deepEqual(known, { leader: 7n, term: 3, revision: 2, info: fakeInfo })
  assert.deepEqual(errors, ['a serving thread failed', 'a serving thread ended and is started again'])
})

test('a state replaced while a thread is down is released all the same', async (t) => {
  const { core, threads, ask, replaceState, paths } = start(t)
  await threads.ready
  let released = 0
  await ask({ do: 'crash' })
  replaceState(paths[1], () => released++)
  await until(() => released === 1 && core.committedListeners.size === 1)
  let text: unknown = null
  while (text === null) text = await Promise.race([ask({ do: 'read' }), turn(null)])
  assert.equal(text, 'two')
})

test('a thread that cannot serve refuses the start, with its reason', async () => {
  const core = new FakeCore()
  const threads = startServingThreads<EntryOptions>({
    count: 2,
    core,
    statePath: () => '/dev/null',
    onStateReplaced: () => {},
    serve: { channel: 'unused', refuse: 'the address is in use' },
    log: silentLog,
    entry,
  })
  await assert.rejects(threads.ready, /^Error: the address is in use$/)
  assert.equal(core.committedListeners.size, 0)
  await threads.close()
})

test('closing twice is closing once', async (t) => {
  const { core, threads } = start(t, { count: 2 })
  await threads.ready
  await Promise.all([threads.close(0), threads.close(0)])
  assert.equal(core.committedListeners.size + core.leaderListeners.size, 0)
})
