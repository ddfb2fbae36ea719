import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError } from '../../../src/base/assert.ts'
import { noMember } from '../../../src/base/ids.ts'
import { changeConfState } from '../../../src/raft/conf-change.ts'
import { id, ids } from './make-raft.ts'

const conf = { voters: ids(1, 2), learners: ids(3) }

for (const { name, kind, member, voters, learners } of [
  { name: 'a new voter', kind: 'addVoter', member: 4, voters: [1, 2, 4], learners: [3] },
  { name: 'a voter again', kind: 'addVoter', member: 2, voters: [1, 2], learners: [3] },
  { name: 'a learner as voter', kind: 'addVoter', member: 3, voters: [1, 2, 3], learners: [] },
  { name: 'a new learner', kind: 'addLearner', member: 4, voters: [1, 2], learners: [3, 4] },
  { name: 'a voter stays one', kind: 'addLearner', member: 2, voters: [1, 2], learners: [3] },
  { name: 'a learner', kind: 'promote', member: 3, voters: [1, 2, 3], learners: [] },
  { name: 'a stranger', kind: 'promote', member: 4, voters: [1, 2], learners: [3] },
  { name: 'a voter', kind: 'remove', member: 1, voters: [2], learners: [3] },
  { name: 'a learner', kind: 'remove', member: 3, voters: [1, 2], learners: [] },
  { name: 'a stranger', kind: 'remove', member: 9, voters: [1, 2], learners: [3] },
] as const) {
  test(`changeConfState: ${kind} ${name}`, () => {
    const want = { voters: ids(...voters), learners: ids(...learners) }
    assert.deepEqual(changeConfState(conf, { kind, member: id(member) }), want)
  })
}

test('the last voter is never removed, and nobody is no member', () => {
  const alone = { voters: ids(1), learners: ids(2) }
  assert.throws(() => changeConfState(alone, { kind: 'remove', member: id(1) }), InvariantError)
  assert.throws(() => changeConfState(alone, { kind: 'addVoter', member: noMember }), InvariantError)
})
