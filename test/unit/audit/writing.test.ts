import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MessageChannel } from 'node:worker_threads'
import { TrailFollower } from '../../../src/audit/follow.ts'
import { Recorder } from '../../../src/audit/recorder.ts'
import { verifyTrail } from '../../../src/audit/verify.ts'
import {
  type BatchDone,
  lostRecordsCell,
  newQueueShare,
  queuedBytesCell,
  type RecordBatch,
} from '../../../src/audit/writer-messages.ts'
import { Writing } from '../../../src/audit/writing.ts'
import { limits } from '../../../src/base/limits.ts'
import { batchOf, MemoryTrailFolder, openTrail, textOf, trailKeys } from '../../support/memory-trail.ts'
import { waitFor } from '../../support/wait-for.ts'

function writer(folder = new MemoryTrailFolder()) {
  const trail = openTrail(folder)
  const told: string[] = []
  const counts = new Map<string, number>()
  const soon: (() => void)[] = []
  const writing = new Writing(trail, {
    soon: (callback) => void soon.push(callback),
    count: (cell, add) => {
      counts.set(cell, (counts.get(cell) ?? 0) + add)
    },
    trouble: (message) => void told.push(`trouble: ${message}`),
    recovered: (lost) => void told.push(`recovered: ${lost}`),
  })
  const share = newQueueShare()
  const done: BatchDone[] = []
  const take = (numbers: readonly number[], wait = 0, lost = 0): void => {
    const batch: RecordBatch = { ...batchOf(...numbers), wait, lost }
    Atomics.add(new Int32Array(share.memory), queuedBytesCell, batch.bytes.length)
    writing.take(batch, share, (each) => void done.push(each))
  }
  const turn = (): void => {
    for (const callback of soon.splice(0)) callback()
  }
  const queued = (): number => Atomics.load(new Int32Array(share.memory), queuedBytesCell)
  return { folder, trail, writing, told, counts, done, take, turn, queued }
}

test('what comes in one turn is one block, and who waits is told when it is on disk', () => {
  const { folder, trail, take, turn, done, queued, counts } = writer()
  take([1, 2])
  take([3], 7)
  assert.ok(queued() > 0)
  turn()
  assert.deepEqual(done, [{ wait: 7, isPersisted: true }])
  assert.equal(queued(), 0)
  assert.equal(counts.get('records'), 3)
  assert.match(textOf(folder), /"number":3\}\n\{"kind":"seal","seal":2,"lines":3,/)
  trail.checkpoint('stop')
  assert.equal(verifyTrail(folder, trailKeys).damage, null)
})

for (const failing of ['write', 'sync'] as const) {
  test(`who waits is told no if the disk takes no ${failing}, and trouble is told of once`, () => {
    const { folder, trail, take, turn, done, told, queued } = writer()
    folder.failing.add(failing)
    take([1], 1)
    turn()
    take([2], 2)
    turn()
    folder.failing.clear()
    take([3], 3)
    turn()
    assert.deepEqual(done, [
      { wait: 1, isPersisted: false },
      { wait: 2, isPersisted: false },
      { wait: 3, isPersisted: true },
    ])
    assert.deepEqual(told, [`trouble: ${failing} fails`, `recovered: ${failing === 'write' ? 2 : 0}`])
    assert.equal(queued(), 0)
    trail.checkpoint('stop')
    assert.equal(verifyTrail(folder, trailKeys).damage, null)
  })
}

test('records that a thread threw away are missing with their number', () => {
  const { folder, take, turn } = writer()
  take([5], 0, 4)
  turn()
  assert.match(textOf(folder), /"kind":"lost",.*"records":4,.*"why":"too much waited"\}\n\{"kind":"call","number":5/)
})

test('after trouble the next checkpoint says what is lost, without anybody else writing', () => {
  const { folder, writing, take, turn, told } = writer()
  folder.failing.add('write')
  take([1, 2])
  turn()
  writing.checkpoint()
  folder.failing.clear()
  writing.checkpoint()
  assert.match(textOf(folder), /"kind":"lost",.*"records":2,/)
  assert.deepEqual(told, ['trouble: write fails', 'recovered: 2'])
  assert.equal(verifyTrail(folder, trailKeys).unprovenRecords, 0)
})

function recorder() {
  const { port1, port2 } = new MessageChannel()
  const share = newQueueShare()
  const batches: RecordBatch[] = []
  port2.on('message', (batch: RecordBatch) => void batches.push(batch))
  const close = (): void => {
    port1.close()
    port2.close()
  }
  const queue = new Int32Array(share.memory)
  return {
    recorder: new Recorder(port1, share),
    batches,
    answer: (done: BatchDone) => port2.postMessage(done),
    queue,
    close,
  }
}

test('records are handed in together, after a while or when somebody waits', async () => {
  const { recorder: made, batches, answer, queue, close } = recorder()
  made.record('a\n')
  made.record('b\n')
  const kept = made.persist('c\n')
  const kept2 = made.persist('d\n')
  await waitFor('a batch', () => batches.length === 1)
  const [batch] = batches
  assert.equal(Buffer.from(batch!.bytes).toString(), 'a\nb\nc\nd\n')
  assert.equal(batch!.records, 4)
  assert.equal(Atomics.load(queue, queuedBytesCell), 8)
  answer({ wait: batch!.wait, isPersisted: true })
  assert.deepEqual(await Promise.all([kept, kept2]), [true, true])
  made.record('e\n')
  await waitFor('another batch', () => batches.length === 2)
  assert.equal(batches[1]!.wait, 0)
  close()
})

test('where too much waits, records are thrown away and counted, and nobody waits for them', async () => {
  const { recorder: made, batches, queue, close } = recorder()
  Atomics.store(queue, queuedBytesCell, limits.auditQueueBytesMax + 1)
  made.record('a\n')
  assert.equal(await made.persist('b\n'), false)
  assert.equal(Atomics.load(queue, lostRecordsCell), 2)
  Atomics.store(queue, queuedBytesCell, 0)
  made.record('c\n')
  made.flush()
  await waitFor('a batch', () => batches.length === 1)
  assert.deepEqual([batches[0]!.records, batches[0]!.lost], [1, 2])
  close()
})

test('that records were thrown away is said though no other ever comes, twice too', async () => {
  const { recorder: made, batches, queue, close } = recorder()
  for (const lost of [2, 1]) {
    Atomics.store(queue, queuedBytesCell, limits.auditQueueBytesMax + 1)
    for (let record = 0; record < lost; record++) made.record('a\n')
    await waitFor('a batch', () => batches.length === 1)
    const { bytes, ...rest } = batches.pop()!
    assert.equal(bytes.length, 0)
    assert.deepEqual(rest, { records: 0, lost, wait: 0 })
  }
  close()
  const { folder, writing, take, turn } = writer()
  take([1])
  turn()
  writing.take({ bytes: new Uint8Array(0), records: 0, lost: 3, wait: 0 }, newQueueShare(), () => {})
  turn()
  writing.checkpoint()
  assert.match(textOf(folder), /"kind":"lost",.*"records":3,/)
  assert.equal(verifyTrail(folder, trailKeys).damage, null)
})

test('a trail is followed from file to file, and a part of a line is waited for', () => {
  const folder = new MemoryTrailFolder()
  const trail = openTrail(folder, { fileBytesMax: 900 })
  const follower = new TrailFollower(folder)
  const seen: number[] = []
  const look = (): void => {
    for (const line of follower.next()) {
      const { number } = JSON.parse(line) as { number?: number }
      if (number !== undefined) seen.push(number)
    }
  }
  for (let record = 0; record < 12; record++) {
    trail.append([batchOf(record)])
    if (record % 3 === 0) look()
  }
  look()
  assert.deepEqual(
    seen,
    Array.from({ length: 12 }, (_, n) => n),
  )
  assert.ok(folder.files.size > 2)
  const last = folder.list().at(-1)!
  const whole = folder.read(last)
  const part = Buffer.from('{"kind":"call","number":12')
  folder.files.set(last, Buffer.concat([whole, part]))
  look()
  assert.equal(seen.length, 12)
  folder.files.set(last, Buffer.concat([whole, part, Buffer.from('}\n')]))
  look()
  assert.equal(seen.at(-1), 12)
})
