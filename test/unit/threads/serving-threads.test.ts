import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EtcdError } from '../../../src/errors.ts'
import { waitFor } from '../../support/wait-for.ts'
import { fakeInfo } from './support/fake-core.ts'
import { startThreads } from './support/threads-harness.ts'

test('a thread knows from its start what the core knows, and hears of changes', async (t) => {
  const { core, ready, ask } = startThreads(t)
  await ready
  assert.deepEqual(await ask({ do: 'known' }), { leader: 7n, term: 3, revision: 1, info: fakeInfo })
  core.setLeader(0n as never, 4)
  core.commit({ put: 'a' })
  // Brings what was committed before it, and comes after the change of leader on the same way.
  core.autoAnswer = true
  await ask({ do: 'barrier' })
  assert.deepEqual(await ask({ do: 'known' }), { leader: 0n, term: 4, revision: 2, info: fakeInfo })
})

test('proposals reach the core with their bytes, and get verdicts, refusals and failures back', async (t) => {
  const { core, ready, ask } = startThreads(t)
  await ready
  const answers = [
    ask({ do: 'propose', kind: 'txn', request: Uint8Array.of(1, 2, 3) }),
    ask({ do: 'propose', kind: 'put', request: new Uint8Array(0) }),
    ask({ do: 'propose', kind: 'leaseRevoke', request: Uint8Array.of(9) }),
  ]
  const timedOut = assert.rejects(answers[2]!, /^Error: timeout$/)
  await waitFor('three proposals', () => core.proposals.length === 3)
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
  const { core, ready, ask } = startThreads(t)
  await ready
  const answer = ask({ do: 'barrier' })
  await waitFor('a barrier', () => core.barriers.length > 0)
  assert.equal(core.barriers.length, 1)
  core.barriers[0]!(null, core.appliedIndex() + 1)
  core.commit({ put: 'a' })
  assert.equal(await answer, 2)
  const refused = assert.rejects(ask({ do: 'barrier' }), /^Error: timeout$/)
  await waitFor('another barrier', () => core.barriers.length > 1)
  core.barriers[1]!(new EtcdError('timeout'), 0)
  await refused
})

test('lease and status questions keep 64-bit ids', async (t) => {
  const { core, ready, ask } = startThreads(t)
  await ready
  const lease = 0x7fff_ffff_ffff_fff1n
  const renewed = ask({ do: 'renew', lease })
  const times = ask({ do: 'times', lease })
  await waitFor('both questions', () => core.renewals.length === 1 && core.leaseQuestions.length === 1)
  assert.equal(core.renewals[0]!.id, lease)
  core.renewals[0]!.done(null, 60)
  core.leaseQuestions[0]!.done(null, { ttlSeconds: -1, grantedTtlSeconds: 0 })
  assert.equal(await renewed, 60)
  assert.deepEqual(await times, { ttlSeconds: -1, grantedTtlSeconds: 0 })
  assert.deepEqual(await ask({ do: 'status' }), core.status())
})

test('events come only to threads that listen; what was missed on the way shows as a replacement', async (t) => {
  const { core, ready, ask, batches } = startThreads(t)
  await ready
  core.commit({ put: 'a' })
  // After it the thread has taken the first batch: `listen` goes another way and could overtake it.
  await ask({ do: 'status' })
  await ask({ do: 'listen' })
  // The thread listens, and the core may not have heard of it yet: either the event comes or the gap is marked.
  core.commit({ put: 'a' })
  await waitFor('the batch after listening', () => batches.length > 0)
  assert.equal(batches[0]!.revision, 3)
  assert.ok(batches[0]!.replaced || batches[0]!.events.length === 1)
  await ask({ do: 'status' })
  core.commit({ put: 'b', value: 'x' }, { delete: 'a' })
  await waitFor('the batch with its events', () => batches.length > 1)
  assert.equal(batches.length, 2)
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
  const { ready, ask, replaceState, paths } = startThreads(t, { count: 2 })
  await ready
  assert.equal(await ask({ do: 'read' }), 'one')
  let released = 0
  replaceState(paths[1], () => released++)
  await waitFor('the old state is released', () => released === 1)
  assert.equal(await ask({ do: 'read' }), 'two')
  assert.equal(released, 1)
})
