import assert from 'node:assert/strict'
import { test } from 'node:test'
import { listMembers } from '../../../src/apply/members.ts'
import { getConfState } from '../../../src/mvcc/meta.ts'
import { Command_Kind, ConfChange_Type, MemberRecord } from '../../../src/wire/gen/internal.ts'
import { MemberAddResponse, MemberRemoveResponse } from '../../../src/wire/gen/rpc.ts'
import { memberRecord, Store } from '../../support/commands.ts'

const { ADD_VOTER, ADD_LEARNER, REMOVE, PROMOTE } = ConfChange_Type
const cluster = () => new Store([1n, 2n, 3n].map((id) => memberRecord({ id, peer_urls: [`https://m${id}:2380`] })))

/** Runs the changes; each is accepted or refused as said. */
type Step = readonly [type: ConfChange_Type, id: bigint, want: string, urls?: string[]]

for (const { name, steps, voters, learners } of [
  { name: 'a voter', steps: [[ADD_VOTER, 4n, 'addVoter']], voters: [1n, 2n, 3n, 4n], learners: [] },
  { name: 'a learner', steps: [[ADD_LEARNER, 4n, 'addLearner']], voters: [1n, 2n, 3n], learners: [4n] },
  {
    name: 'a learner again',
    steps: [
      [ADD_LEARNER, 4n, 'addLearner'],
      [ADD_LEARNER, 4n, 'unchanged'],
    ],
    voters: [1n, 2n, 3n],
    learners: [4n],
  },
  {
    name: 'a second learner',
    steps: [
      [ADD_LEARNER, 4n, 'addLearner'],
      [ADD_LEARNER, 5n, 'tooManyLearners'],
    ],
    voters: [1n, 2n, 3n],
    learners: [4n],
  },
  {
    name: 'promotion',
    steps: [
      [ADD_LEARNER, 4n, 'addLearner'],
      [PROMOTE, 4n, 'promote'],
    ],
    voters: [1n, 2n, 3n, 4n],
    learners: [],
  },
  { name: 'promotion of a voter', steps: [[PROMOTE, 2n, 'memberNotLearner']], voters: [1n, 2n, 3n], learners: [] },
  { name: 'promotion of a stranger', steps: [[PROMOTE, 9n, 'memberNotFound']], voters: [1n, 2n, 3n], learners: [] },
  { name: 'a voter that is there', steps: [[ADD_VOTER, 2n, 'memberExists']], voters: [1n, 2n, 3n], learners: [] },
  { name: 'a voter as learner', steps: [[ADD_LEARNER, 2n, 'memberExists']], voters: [1n, 2n, 3n], learners: [] },
  {
    name: 'a learner as voter',
    steps: [
      [ADD_LEARNER, 4n, 'addLearner'],
      [ADD_VOTER, 4n, 'memberExists'],
    ],
    voters: [1n, 2n, 3n],
    learners: [4n],
  },
  {
    name: 'a peer URL in use',
    steps: [[ADD_VOTER, 4n, 'peerUrlExists', ['https://m2:2380']]],
    voters: [1n, 2n, 3n],
    learners: [],
  },
  { name: 'no id', steps: [[ADD_VOTER, 0n, 'invalidRequest']], voters: [1n, 2n, 3n], learners: [] },
  { name: 'removal', steps: [[REMOVE, 2n, 'remove']], voters: [1n, 3n], learners: [] },
  {
    name: 'removal of a learner',
    steps: [
      [ADD_LEARNER, 4n, 'addLearner'],
      [REMOVE, 4n, 'remove'],
    ],
    voters: [1n, 2n, 3n],
    learners: [],
  },
  { name: 'removal of a stranger', steps: [[REMOVE, 9n, 'memberNotFound']], voters: [1n, 2n, 3n], learners: [] },
  {
    name: 'a removed id comes back',
    steps: [
      [REMOVE, 2n, 'remove'],
      [ADD_VOTER, 2n, 'memberNotFound'],
    ],
    voters: [1n, 3n],
    learners: [],
  },
  {
    name: 'the last voter',
    steps: [
      [REMOVE, 1n, 'remove'],
      [REMOVE, 2n, 'remove'],
      [REMOVE, 3n, 'notEnoughStarted'],
    ],
    voters: [3n],
    learners: [],
  },
  {
    name: 'an unknown change',
    steps: [[9 as ConfChange_Type, 4n, 'invalidRequest']],
    voters: [1n, 2n, 3n],
    learners: [],
  },
] satisfies { name: string; steps: Step[]; voters: bigint[]; learners: bigint[] }[] as {
  name: string
  steps: Step[]
  voters: bigint[]
  learners: bigint[]
}[]) {
  test(`configuration: ${name}`, () => {
    const store = cluster()
    for (const [type, id, want, urls] of steps) {
      const adds = type === ADD_VOTER || type === ADD_LEARNER
      const before = store.view
        .dump()
        .filter((line) => !line.startsWith(`meta ${Buffer.from('applied').toString('hex')}`))
      const { outcome, confChange } = store.confChange(
        type,
        id,
        adds ? { peer_urls: urls ?? [`https://m${id}:2380`] } : undefined,
      )
      assert.equal(outcome!.ok ? (confChange?.kind ?? 'unchanged') : outcome!.reason, want)
      if (confChange !== null) assert.equal(confChange.member, id)
      else {
        const after = store.view
          .dump()
          .filter((line) => !line.startsWith(`meta ${Buffer.from('applied').toString('hex')}`))
        assert.deepEqual(after, before)
      }
    }
    assert.deepEqual(getConfState(store.view), { voters, learners })
    const members = listMembers(store.view)
    assert.deepEqual(
      members.map((member) => member.id),
      [...voters, ...learners].sort(),
    )
    assert.deepEqual(
      members.filter((member) => member.is_learner).map((member) => member.id),
      learners,
    )
  })
}

test('answers name the members after the change', () => {
  const store = cluster()
  const added = store.confChange(ADD_LEARNER, 4n, { peer_urls: ['https://m4:2380'] }).outcome!
  assert.ok(added.ok)
  const { member, members } = MemberAddResponse.decode(added.body)
  assert.deepEqual([member!.ID, member!.isLearner, members.length], [4n, true, 4])
  const removed = store.confChange(REMOVE, 1n).outcome!
  assert.ok(removed.ok)
  assert.deepEqual(
    MemberRemoveResponse.decode(removed.body).members.map((each) => each.ID),
    [2n, 3n, 4n],
  )
})

test('a member publishes its name and client URLs, and nothing else of it changes', () => {
  const store = cluster()
  const record = memberRecord({
    id: 2n,
    name: 'two',
    client_urls: ['https://c2'],
    peer_urls: ['https://evil'],
    is_learner: true,
  })
  store.command(Command_Kind.PUBLISH_MEMBER, MemberRecord.encode(record).finish())
  const expected = memberRecord({ id: 2n, name: 'two', client_urls: ['https://c2'], peer_urls: ['https://m2:2380'] })
  assert.deepEqual(listMembers(store.view)[1], expected)
})
