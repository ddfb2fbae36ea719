import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommittedBatch } from '../../../src/apply/outcome.ts'
import { anonymous } from '../../../src/auth/caller.ts'
import { CommitEncoder, CoreBridge } from '../../../src/threads/core-bridge.ts'
import { type CoreRecords, readCoreRecords } from '../../../src/threads/core-records.ts'
import { RecordWriter } from '../../../src/threads/record-writer.ts'
import { type ThreadRecords, writeThreadRecords } from '../../../src/threads/thread-records.ts'
import { FakeCore } from './support/fake-core.ts'

const MiB = 1024 * 1024

interface Told {
  readonly batch: CommittedBatch
  readonly withEvents: boolean
}

const ignore = (): void => {}
const othersIgnored: CoreRecords = {
  outcome: ignore,
  failed: ignore,
  barrier: ignore,
  leaseRenewed: ignore,
  leaseTimes: ignore,
  leaseExpiries: ignore,
  status: ignore,
  committed: ignore,
  leader: ignore,
  stateReplaced: ignore,
}

/** The core's end alone, with the test for a thread. */
function openBridge() {
  const core = new FakeCore()
  const posted: ArrayBuffer[] = []
  const soon: (() => void)[] = []
  const bridge = new CoreBridge(
    core,
    new CommitEncoder(),
    (message) => posted.push(message),
    (callback) => soon.push(callback),
  )
  const settle = (): void => {
    for (const callback of soon.splice(0)) callback()
  }
  return {
    core,
    bridge,
    posted,
    settle,
    say: (write: (records: ThreadRecords) => void) => {
      const writer = new RecordWriter()
      write(writeThreadRecords(writer))
      bridge.receive(writer.take())
      settle()
    },
    commit: (...changes: Parameters<FakeCore['commit']>) => {
      core.commit(...changes)
      settle()
    },
    /** What the messages posted since the last look told of commits, and their bytes. */
    take: () => {
      const told: Told[] = []
      const committed: CoreRecords['committed'] = (batch, withEvents) => told.push({ batch, withEvents })
      let bytes = 0
      for (const message of posted.splice(0)) {
        bytes += message.byteLength
        readCoreRecords(message, { ...othersIgnored, committed })
      }
      return { told, bytes }
    },
  }
}

type Opened = ReturnType<typeof openBridge>

/** Commits until the thread, which takes nothing, is told no more; gives the bytes that wait for it. */
function fill({ commit, posted, take, say }: Opened): number {
  say((records) => records.interest(true))
  const value = 'x'.repeat(MiB)
  let before = -1
  for (let i = 0; i < 100 && posted.length > before; i++) {
    before = posted.length
    commit({ put: 'a', value })
  }
  const { bytes, told } = take()
  assert.ok(told.every(({ withEvents }) => withEvents))
  assert.ok(bytes >= 32 * MiB && bytes < 34 * MiB, `${bytes} bytes wait`)
  return bytes
}

test('a thread that stands still costs bounded memory, and is told of the newest commit when it goes on', () => {
  const opened = openBridge()
  const { core, posted, commit, take, say } = opened
  const waiting = fill(opened)
  for (let i = 0; i < 1000; i++) commit({ put: 'b', value: 'x' })
  // Without events of its own: the gap before it must show all the same.
  commit()
  assert.equal(posted.length, 0)
  say((records) => records.consumed(4096))
  assert.equal(posted.length, 0, 'too much waits still')
  say((records) => records.consumed(waiting - 4096))
  const { told } = take()
  assert.deepEqual(told, [{ batch: core.store.batch([]), withEvents: false }])
  commit({ put: 'c' })
  assert.deepEqual(
    take().told.map(({ batch, withEvents }) => [batch.revision, batch.events.length, withEvents]),
    [[core.revision(), 1, true]],
  )
})

test('a replacement that was kept back from a thread shows in what stands for it', () => {
  const opened = openBridge()
  const { core, commit, take, say } = opened
  const waiting = fill(opened)
  core.publish(core.store.batch([], true))
  commit({ put: 'b' })
  commit({ put: 'b' })
  say((records) => records.consumed(waiting))
  assert.deepEqual(take().told, [{ batch: core.store.batch([], true), withEvents: false }])
})

test('what the core answers a thread that is gone goes nowhere, and nothing waits for it', () => {
  const { core, bridge, posted, settle, say, commit } = openBridge()
  say((records) => {
    records.propose(1, 'put', Uint8Array.of(1), anonymous)
    records.propose(2, 'put', Uint8Array.of(2), anonymous)
    records.readBarrier(3)
  })
  let released = 0
  bridge.stateReplaced(1, '/one', () => released++)
  core.proposals[0]!.done(null, { ok: true, revision: 1, body: new Uint8Array(0) })
  bridge.close()
  bridge.close()
  settle()
  core.proposals[1]!.done(new Error('late'), null)
  core.barriers[0]!(null, 1)
  bridge.stateReplaced(2, '/two', () => released++)
  commit({ put: 'a' })
  say((records) => records.propose(4, 'put', Uint8Array.of(4), anonymous))
  assert.deepEqual([posted.length, released, core.proposals.length], [0, 2, 2])
  assert.equal(core.committedListeners.size + core.leaderListeners.size, 0)
})

test('a thread that waits for nothing is not woken by commits', () => {
  const { commit, posted } = openBridge()
  commit({ put: 'a', value: '1' })
  commit({ put: 'a', value: '2' })
  assert.equal(posted.length, 0)
})

test('a thread is told of the commit that its barrier or its answered write waits for', () => {
  for (const wait of ['barrier', 'write', 'late write'] as const) {
    const { core, commit, say, settle, take } = openBridge()
    if (wait === 'late write') commit({ put: 'a', value: '1' })
    say((records) =>
      wait === 'barrier' ? records.readBarrier(1) : records.propose(1, 'put', new Uint8Array(1), anonymous),
    )
    const next = { index: core.appliedIndex() + 1, revision: core.revision() + 1 }
    const answered = wait === 'late write' ? core.revision() : next.revision
    if (wait === 'barrier') core.barriers[0]!(null, next.index)
    else core.proposals[0]!.done(null, { ok: true, revision: answered, body: new Uint8Array(0) })
    settle()
    if (wait !== 'late write') commit({ put: 'a', value: '2' })
    assert.deepEqual(
      take().told.map(({ batch }) => batch.revision),
      [answered],
      wait,
    )
    commit({ put: 'a', value: '3' })
    assert.deepEqual(take().told, [], wait)
  }
})

test('a write that its thread waits for alone is answered at once, others when their commit is told', () => {
  for (const { kinds, first, rest } of [
    { kinds: ['put'], first: 1, rest: 1 },
    { kinds: ['txn'], first: 1, rest: 1 },
    { kinds: ['put', 'deleteRange'], first: 0, rest: 1 },
    // No thread may go by the old rules when somebody has been told of the new ones.
    { kinds: ['auth'], first: 0, rest: 1 },
  ] as const) {
    const { core, bridge, posted, settle } = openBridge()
    const writer = new RecordWriter()
    const records = writeThreadRecords(writer)
    for (const [call, kind] of kinds.entries()) records.propose(call, kind, new Uint8Array(1), anonymous)
    bridge.receive(writer.take())
    const revision = core.revision() + 1
    for (const { done } of core.proposals) done(null, { ok: true, revision, body: new Uint8Array(0) })
    assert.equal(posted.length, first, `${kinds}, before the commit`)
    core.commit({ put: 'a', value: '1' })
    settle()
    assert.equal(posted.length, first + rest, `${kinds}, after it`)
    const told: string[] = []
    const note = (what: string) => (): void => void told.push(what)
    for (const message of posted) {
      readCoreRecords(message, { ...othersIgnored, outcome: note('outcome'), committed: note('commit') })
    }
    assert.deepEqual(told, [...kinds.map(() => 'outcome'), 'commit'])
  }
})

test('a thread that begins to watch hears at once how far the commits are', () => {
  const { core, commit, say, take } = openBridge()
  commit({ put: 'a', value: '1' })
  say((records) => records.interest(true))
  assert.deepEqual(
    take().told.map(({ batch, withEvents }) => [batch.revision, withEvents]),
    [[core.revision(), false]],
  )
})
