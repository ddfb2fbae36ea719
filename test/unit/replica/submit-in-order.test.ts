import assert from 'node:assert/strict'
import test from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import type { Proposal } from '../../../src/raft/types.ts'
import { submitInOrder } from '../../../src/replica/submit-in-order.ts'

/** n: a normal proposal, c: a membership change; the digit tells them apart. */
const parse = (text: string): Proposal[] =>
  text.split(' ').map((name) => ({
    type: name.startsWith('c') ? 'confChange' : 'normal',
    data: Buffer.from(name),
  }))
const print = (proposals: readonly Proposal[]): string => proposals.map(({ data }) => data.toString()).join(' ')

for (const { name, given, refuse, want, rest } of [
  { name: 'normal proposals go together', given: 'n1 n2 n3', refuse: '', want: ['n1 n2 n3'], rest: '' },
  { name: 'a membership change goes alone', given: 'n1 c1 n2 n3', refuse: '', want: ['n1', 'c1', 'n2 n3'], rest: '' },
  { name: 'nothing passes a refused one', given: 'n1 c1 n2', refuse: 'c1', want: ['n1', 'c1'], rest: 'c1 n2' },
  { name: 'without a leader all stay in order', given: 'n1 n2 c1', refuse: 'n1 n2', want: ['n1 n2'], rest: 'n1 n2 c1' },
]) {
  test(`submitting: ${name}`, () => {
    const offered: string[] = []
    const left = submitInOrder(parse(given), (batch) => {
      offered.push(print(batch))
      return print(batch) !== refuse
    })
    assert.deepEqual(offered, want)
    assert.equal(print(left), rest)
  })
}

test('submitting: what has gathered goes in batches that fit into a message, and more than fits goes alone', () => {
  const sizes = [0.4, 0.4, 0.4, 3, 0.5, 0.5, 0.1].map((part) => Math.floor(part * limits.raftMessageBytesMax))
  const proposals = sizes.map((bytes): Proposal => ({ type: 'normal', data: new Uint8Array(bytes) }))
  const offered: number[] = []
  const accept = (batch: readonly Proposal[]): boolean => offered.push(batch.length) < 5
  assert.deepEqual(submitInOrder(proposals, accept), proposals.slice(6))
  assert.deepEqual(offered, [2, 1, 1, 2, 1])
})
