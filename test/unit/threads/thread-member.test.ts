import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { memberId } from '../../../src/base/ids.ts'
import { encodeCommitted, writeCoreRecords } from '../../../src/threads/core-records.ts'
import { RecordWriter } from '../../../src/threads/record-writer.ts'
import { type TakeUntil, ThreadMember } from '../../../src/threads/thread-member.ts'
import { readThreadRecords, type ThreadRecords } from '../../../src/threads/thread-records.ts'
import { within } from '../../support/within.ts'
import { fakeInfo } from './support/fake-core.ts'
import { FakeStore } from './support/fake-store.ts'

/** The thread's end alone, with the test for a core. */
function openMember(takeUntil?: TakeUntil) {
  const posted: ArrayBuffer[] = []
  const soon: (() => void)[] = []
  const closings = new Map<string, PromiseWithResolvers<void>>()
  const failures: unknown[] = []
  const { view } = new FakeStore()
  const known = { leader: memberId(7n), term: 3, appliedIndex: 1, revision: 1, path: '/0' }
  const member = new ThreadMember(fakeInfo, known, {
    post: (message) => posted.push(message),
    openReader: (path) => {
      const closing = Promise.withResolvers<void>()
      closings.set(path, closing)
      return {
        read: (work) => work(view),
        hold: () => ({ view, close: () => {} }),
        refresh: () => {},
        close: () => closing.promise,
      }
    },
    soon: (callback) => soon.push(callback),
    nowMs: () => 0,
    ...(takeUntil === undefined ? {} : { takeUntil }),
    closeFailed: (error) => failures.push(error),
  })
  /** One message from the core. */
  const core = (write: (records: ReturnType<typeof writeCoreRecords>) => void): void => {
    const writer = new RecordWriter()
    write(writeCoreRecords(writer))
    member.receive(writer.take())
  }
  return {
    member,
    failures,
    closing: (path: string) => closings.get(path)!,
    core,
    /** The core names states 1 and 2 in one message. */
    replaceTwice: () =>
      core((records) => {
        records.stateReplaced(1, '/1')
        records.stateReplaced(2, '/2')
      }),
    /** What has been said to the core since the last look, when everything has settled. */
    heard: async (): Promise<string[]> => {
      await turn()
      for (const callback of soon.splice(0)) callback()
      const names: string[] = []
      const to = new Proxy({} as ThreadRecords, {
        get:
          (_, name) =>
          (first: unknown): void =>
            void names.push(`${String(name)} ${first}`),
      })
      for (const message of posted.splice(0)) readThreadRecords(message, to)
      return names
    },
  }
}

test('a state is released when it and all before it are closed, in whichever order they close', async () => {
  const { replaceTwice, closing, heard } = openMember()
  replaceTwice()
  closing('/1').resolve()
  assert.deepEqual(await heard(), [], 'state 0 is still read')
  closing('/0').resolve()
  assert.deepEqual(await heard(), ['released 1', 'released 2'])
})

test('a state that cannot be closed is reported, and released all the same', async () => {
  const { replaceTwice, closing, heard, failures } = openMember()
  replaceTwice()
  closing('/0').reject(new Error('no'))
  closing('/1').resolve()
  assert.deepEqual(await heard(), ['released 1', 'released 2'])
  assert.deepEqual(failures.map(String), ['Error: no'])
})

test('closing refuses all that is asked, whether the core has heard of it or not, and all that comes later', async () => {
  const { member, heard, closing } = openMember()
  const ask = () => [
    member.propose('put', Uint8Array.of(1)),
    member.readBarrier(),
    member.renewLease(5n as never),
    member.leaseTimes(5n as never),
    member.leaseExpiries(),
    member.status(),
  ]
  const asked = ask()
  const before = Promise.allSettled(asked)
  const names = ['propose 0', 'renewLease 1', 'leaseTimes 2', 'leaseExpiries 3', 'status 4', 'readBarrier 5']
  assert.deepEqual(await heard(), names)
  const gathered = Promise.allSettled(ask())
  closing('/0').resolve()
  await within('the member closes', member.close())
  const late = Promise.allSettled(ask())
  const settled = await within('all are refused', Promise.all([before, gathered, late]))
  for (const result of settled.flat()) {
    assert.equal(result.status, 'rejected')
    assert.equal(result.reason.reason, 'stopped')
  }
  assert.deepEqual(await heard(), [])
})

test('what a member has answered is visible to its serializable readers before they read', async () => {
  const { member, core } = openMember()
  assert.equal(member.answeredVisible(), null)
  const answer = member.propose('put', new Uint8Array(1))
  core((records) => records.outcome(0, { ok: true, revision: 5, body: new Uint8Array(0) }))
  await within('the answer', answer)
  assert.equal(member.answeredRevision(), 5)
  const visible = member.answeredVisible()
  assert.ok(visible)
  const batch = { appliedIndex: 9, revision: 5, compactRevision: 0, events: [], replaced: false }
  const writer = new RecordWriter()
  writer.raw(encodeCommitted(batch, true))
  member.receive(writer.take())
  await within('the commit', visible)
  assert.equal(member.answeredVisible(), null)
})

test('a refused write promises no revision', async () => {
  const { member, core } = openMember()
  const answer = member.propose('put', new Uint8Array(1))
  core((records) => records.outcome(0, { ok: false, revision: 5, reason: 'leaseNotFound' }))
  await within('the answer', answer)
  assert.equal(member.answeredVisible(), null)
})

test('a thread stays for the answer to a write only while that is all that it is asked for', async () => {
  let stays = 0
  const { member, core, heard } = openMember((isOver, waitMsMax) => {
    stays++
    assert.ok(waitMsMax > 0)
    assert.equal(isOver(), false)
    answer()
    assert.equal(isOver(), true)
  })
  let call = -1
  const answer = (): void =>
    core((records) => records.outcome(call, { ok: false, revision: 5, reason: 'leaseNotFound' }))
  /** @returns whether the thread stayed for it. */
  const write = async (): Promise<boolean> => {
    const before = stays
    const outcome = member.propose('put', new Uint8Array(1))
    call++
    await heard()
    if (stays === before) answer()
    await within('the answer', outcome)
    return stays > before
  }
  assert.equal(await write(), false, 'how long it takes is not known')
  assert.equal(await write(), true)

  const barrier = member.readBarrier()
  call++
  await heard()
  core((records) => records.barrier(call, 1))
  await within('the barrier', barrier)
  assert.equal(await write(), false, 'somebody reads')
  assert.equal(await write(), true)

  const both = [member.propose('put', new Uint8Array(1)), member.propose('put', new Uint8Array(1))]
  await heard()
  for (const _ of both) {
    call++
    answer()
  }
  await within('both', Promise.all(both))
  assert.equal(stays, 2, 'two at once')
  assert.equal(await write(), false, 'others write')
  assert.equal(await write(), true)
})
