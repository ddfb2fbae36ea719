import assert from 'node:assert/strict'
import test from 'node:test'
import { memberId, noMember } from '../../../src/base/ids.ts'
import type { Entry, Message, Ready } from '../../../src/raft/types.ts'
import { MessageKind } from '../../../src/raft/types.ts'
import { PersistStage } from '../../../src/replica/persist-stage.ts'
import type { Done, LogBatch } from '../../../src/replica/ports.ts'

const entry = (index: number, term = 1): Entry => ({ index, term, type: 'normal', data: new Uint8Array(1) })
const message = (index: number): Message => ({
  kind: MessageKind.AppendResponse,
  from: memberId(1n),
  to: memberId(2n),
  term: 1,
  index,
})
const ready = (part: Partial<Ready>): Ready => ({
  hardState: null,
  entries: [],
  messages: [],
  messagesAfterPersist: [],
  committed: [],
  readStates: [],
  snapshot: null,
  soft: null,
  ...part,
})

function stage() {
  const trace: string[] = []
  const pending: { batch: LogBatch | null; done: Done }[] = []
  const log = {
    append: (batch: LogBatch, done: Done) => {
      trace.push(`append ${batch.entries.map((one) => `${one.index}@${one.term}`).join(' ')}`.trimEnd())
      pending.push({ batch, done })
    },
    reset: (snapshot: { index: number }, _hardState: unknown, done: Done) => {
      trace.push(`reset ${snapshot.index}`)
      pending.push({ batch: null, done })
    },
    release: () => {},
  }
  const persist = new PersistStage(
    log,
    { term: 1, vote: noMember, commit: 0 },
    {
      persisted: (last) => trace.push(`persisted ${last.index}`),
      send: (messages) => trace.push(`send ${messages.map((one) => one.index).join(' ')}`),
      failed: (error) => trace.push(`failed ${error.message}`),
    },
  )
  const complete = (error?: Error): void => {
    const next = pending.shift()
    assert.ok(next, 'nothing is being written')
    next.done(error)
  }
  return { persist, pending, trace, complete }
}

test('a write is of few if it has few entries and nobody has come to read since the write before', () => {
  const { persist, pending, complete } = stage()
  const isOfFew = (...entries: Entry[]): boolean | undefined => {
    persist.enqueue(ready({ entries }))
    persist.run()
    const [written] = pending
    complete()
    return written?.batch?.isOfFew
  }
  assert.equal(isOfFew(entry(1)), true)
  assert.equal(isOfFew(...Array.from({ length: 8 }, (_, i) => entry(2 + i))), true)
  assert.equal(isOfFew(...Array.from({ length: 9 }, (_, i) => entry(10 + i))), false)
  persist.disturb()
  assert.equal(isOfFew(entry(19)), false)
  assert.equal(isOfFew(entry(20)), true)
})

test('what waits while a write is in flight becomes one write, and its messages leave after it', () => {
  const { persist, trace, complete } = stage()
  persist.enqueue(ready({ entries: [entry(1)], messagesAfterPersist: [message(1)] }))
  persist.run()
  persist.enqueue(ready({ entries: [entry(2)], messagesAfterPersist: [message(2)] }))
  persist.run()
  persist.enqueue(ready({ entries: [entry(3)], messagesAfterPersist: [message(3)] }))
  persist.run()
  complete()
  complete()
  assert.deepEqual(trace, ['append 1@1', 'send 1', 'persisted 1', 'append 2@1 3@1', 'send 2 3', 'persisted 3'])
})

test('a suffix that was replaced before it was written is never written', () => {
  const { persist, trace, complete } = stage()
  persist.enqueue(ready({ entries: [entry(1)] }))
  persist.run()
  persist.enqueue(ready({ entries: [entry(2), entry(3), entry(4)] }))
  persist.enqueue(ready({ entries: [entry(3, 2)] }))
  complete()
  assert.equal(trace.at(-1), 'append 2@1 3@2')
})

test('a commit index alone is not worth a write; a vote is', () => {
  const { persist, trace } = stage()
  persist.enqueue(ready({ hardState: { term: 1, vote: noMember, commit: 9 } }))
  persist.run()
  assert.deepEqual(trace, [])
  persist.enqueue(ready({ hardState: { term: 1, vote: memberId(2n), commit: 9 }, messagesAfterPersist: [message(5)] }))
  persist.run()
  assert.deepEqual(trace, ['append'])
})

test('messages wait for the write in flight even if they bring nothing to write', () => {
  const { persist, trace, complete } = stage()
  persist.enqueue(ready({ entries: [entry(1)] }))
  persist.run()
  persist.enqueue(ready({ messagesAfterPersist: [message(8)] }))
  persist.run()
  assert.deepEqual(trace, ['append 1@1'])
  complete()
  assert.deepEqual(trace, ['append 1@1', 'persisted 1', 'send 8'])
})

test('after a failed write nothing is sent and nothing more is written', () => {
  const { persist, trace, complete } = stage()
  persist.enqueue(ready({ entries: [entry(1)], messagesAfterPersist: [message(1)] }))
  persist.run()
  complete(new Error('no space'))
  assert.deepEqual(trace, ['append 1@1', 'failed no space'])
})

test('a reset voids what waits, ends the write in flight first, and then writes what came after the snapshot', () => {
  const { persist, trace, complete } = stage()
  persist.enqueue(ready({ entries: [entry(1)] }))
  persist.run()
  persist.enqueue(ready({ entries: [entry(2)], messagesAfterPersist: [message(2)] }))
  persist.suspend()
  persist.enqueue(ready({ entries: [entry(11, 3)] }))
  persist.run()
  persist.reset({ term: 3, index: 10 }, () => trace.push('reset done'))
  complete()
  complete()
  assert.deepEqual(trace, ['append 1@1', 'persisted 1', 'reset 10', 'reset done', 'append 11@3'])
})
