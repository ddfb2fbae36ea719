import assert from 'node:assert/strict'
import test from 'node:test'
import type { Applied } from '../../../src/apply/apply.ts'
import { emptyBytes } from '../../../src/base/bytes.ts'
import { memberId } from '../../../src/base/ids.ts'
import { Proposals } from '../../../src/replica/proposals.ts'

const self = memberId(1n)
const collect = () => {
  const answers: string[] = []
  return {
    answers,
    done: (error: Error | null, outcome: Applied['outcome']) =>
      answers.push(error ? error.message : `revision ${outcome?.revision}`),
  }
}
const applied = (id: bigint, proposer = self, revision = 2): Applied => ({
  index: 1,
  proposal: { id, proposer },
  outcome: { ok: true, revision, body: emptyBytes },
  events: [],
  leaseChanges: [],
  confChange: null,
  compactTo: null,
})

test('a verdict reaches the one who proposed, once', () => {
  const proposals = new Proposals(self, 5n, 7000, () => 'timeout')
  const { answers, done } = collect()
  proposals.add('normal', () => emptyBytes, 0, done)
  assert.equal(proposals.takeUnsent().length, 1)
  proposals.settle([applied(5n), applied(5n)])
  assert.deepEqual(answers, ['revision 2'])
})

test('another member’s proposal with the same id is not ours', () => {
  const proposals = new Proposals(self, 5n, 7000, () => 'timeout')
  const { answers, done } = collect()
  proposals.add('normal', () => emptyBytes, 0, done)
  proposals.settle([applied(5n, memberId(2n))])
  assert.deepEqual(answers, [])
  assert.equal(proposals.wants(5n, memberId(2n)), false)
  assert.equal(proposals.wants(5n, self), true)
})

test('a proposal that times out is told why, by the time at which it was made', () => {
  const starts: number[] = []
  const proposals = new Proposals(self, 1n, 7000, (startMs) => {
    starts.push(startMs)
    return 'timeoutLeaderFailure'
  })
  const { answers, done } = collect()
  proposals.add('normal', () => emptyBytes, 50, done)
  proposals.expire(7049)
  assert.deepEqual(answers, [])
  proposals.expire(7050)
  assert.deepEqual(answers, ['etcdserver: request timed out, possibly due to previous leader failure'])
  assert.deepEqual(starts, [50])
})

test('what nobody waits for any more is not sent when a leader appears', () => {
  const proposals = new Proposals(self, 1n, 7000, () => 'timeout')
  const { done } = collect()
  proposals.add('normal', () => new Uint8Array(10), 0, done)
  proposals.putBack(proposals.takeUnsent())
  assert.equal(proposals.unsentBytes, 10)
  proposals.expire(7000)
  assert.equal(proposals.takeUnsent().length, 0)
  assert.equal(proposals.unsentBytes, 0)
})

test('what timed out is not sent though others still wait for a leader', () => {
  const proposals = new Proposals(self, 1n, 7000, () => 'timeout')
  const { done } = collect()
  proposals.add('normal', () => Uint8Array.of(1), 0, done)
  proposals.add('normal', () => Uint8Array.of(2, 2), 5000, done)
  proposals.putBack(proposals.takeUnsent())
  proposals.expire(7000)
  assert.equal(proposals.unsentBytes, 2)
  assert.deepEqual(
    proposals.takeUnsent().map((one) => one.data[0]),
    [2],
  )
})

test('proposals that are put back go out before newer ones', () => {
  const proposals = new Proposals(self, 1n, 7000, () => 'timeout')
  const { done } = collect()
  proposals.add('normal', () => Uint8Array.of(1), 0, done)
  const first = proposals.takeUnsent()
  proposals.add('normal', () => Uint8Array.of(2), 0, done)
  proposals.putBack(first)
  assert.deepEqual(
    proposals.takeUnsent().map((one) => one.data[0]),
    [1, 2],
  )
})

test('what was sent in a term that is over goes out again, in order and before newer ones', () => {
  const proposals = new Proposals(self, 1n, 7000, () => 'timeout')
  const { answers, done } = collect()
  const add = (byte: number): void => proposals.add('normal', () => Uint8Array.of(byte), 0, done)
  const unsent = (): (number | undefined)[] => {
    const taken = proposals.takeUnsent()
    proposals.putBack(taken)
    return taken.map(({ data }) => data[0])
  }
  for (const byte of [1, 2, 3]) add(byte)
  proposals.sent(proposals.takeUnsent(), 4)
  add(4)
  // Entries of its own term decide nothing: it may still come.
  proposals.sendLostAgain(4)
  assert.deepEqual(unsent(), [4])
  proposals.settle([applied(2n)])
  proposals.sendLostAgain(5)
  assert.deepEqual(unsent(), [1, 3, 4])
  assert.deepEqual(answers, ['revision 2'])
  // Sent in the new term, it is not lost with the old one.
  proposals.sent(proposals.takeUnsent(), 5)
  proposals.sendLostAgain(5)
  assert.deepEqual(unsent(), [])
})

test('what may be in a state that took the place of entries is never sent again', () => {
  const proposals = new Proposals(self, 1n, 7000, () => 'timeout')
  const { answers, done } = collect()
  proposals.add('normal', () => emptyBytes, 0, done)
  proposals.sent(proposals.takeUnsent(), 1)
  proposals.forgetSent()
  proposals.sendLostAgain(3)
  assert.equal(proposals.takeUnsent().length, 0)
  proposals.expire(7000)
  assert.deepEqual(answers, ['etcdserver: request timed out'])
})
