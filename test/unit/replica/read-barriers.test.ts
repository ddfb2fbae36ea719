import assert from 'node:assert/strict'
import test from 'node:test'
import { ReadBarriers } from '../../../src/replica/read-barriers.ts'

const collect = () => {
  const answers: (string | number)[] = []
  return { answers, done: (error: Error | null, index: number) => answers.push(error ? error.message : index) }
}

test('all readers that wait share one round', () => {
  const reads = new ReadBarriers(7n, 5000, 500)
  const { answers, done } = collect()
  reads.add(0, done)
  reads.add(0, done)
  assert.equal(reads.nextRound(0), 7n)
  assert.equal(reads.nextRound(0), null)
  reads.answer([{ context: 7n, index: 42 }])
  assert.deepEqual(answers, [42, 42])
})

test('a reader that comes after a round was asked waits for the next one', () => {
  const reads = new ReadBarriers(1n, 5000, 500)
  const { answers, done } = collect()
  reads.add(0, done)
  reads.nextRound(0)
  reads.add(0, done)
  reads.answer([{ context: 1n, index: 10 }])
  assert.deepEqual(answers, [10])
  assert.equal(reads.nextRound(0), 2n)
  reads.answer([{ context: 2n, index: 11 }])
  assert.deepEqual(answers, [10, 11])
})

test('a lost round is asked again under a new context, and the old answer is ignored', () => {
  const reads = new ReadBarriers(1n, 5000, 500)
  const { answers, done } = collect()
  reads.add(0, done)
  assert.equal(reads.nextRound(0), 1n)
  reads.expire(499)
  assert.equal(reads.nextRound(499), null)
  reads.expire(500)
  assert.equal(reads.nextRound(500), 2n)
  reads.answer([{ context: 1n, index: 3 }])
  assert.deepEqual(answers, [])
  reads.answer([{ context: 2n, index: 4 }])
  assert.deepEqual(answers, [4])
})

test('without a leader readers time out with etcd’s message', () => {
  const reads = new ReadBarriers(1n, 5000, 500)
  const { answers, done } = collect()
  reads.add(0, done)
  const context = reads.nextRound(0)
  assert.ok(context)
  reads.putBack(context)
  reads.expire(4999)
  assert.deepEqual(answers, [])
  reads.expire(5000)
  assert.deepEqual(answers, ['etcdserver: request timed out'])
})

test('context zero, which means none, is never used', () => {
  const reads = new ReadBarriers(0xffffffffffffffffn, 5000, 500)
  const { done } = collect()
  reads.add(0, done)
  assert.equal(reads.nextRound(0), 0xffffffffffffffffn)
  reads.add(0, done)
  assert.equal(reads.nextRound(0), 1n)
})
