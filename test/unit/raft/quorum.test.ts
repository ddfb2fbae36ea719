import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../../src/base/random.ts'
import { type Ballot, electionResult, quorumSize, quorumValue } from '../../../src/raft/quorum.ts'

const seed = Number(process.env.SEED ?? Math.floor(performance.now() * 1000))

function subsets<T>(of: readonly T[]): T[][] {
  const [first, ...rest] = of
  if (first === undefined) return [[]]
  return subsets(rest).flatMap((subset) => [subset, [first, ...subset]])
}

const majorities = <T>(of: readonly T[]): T[][] => subsets(of).filter((subset) => subset.length * 2 > of.length)

test(`quorumValue is the highest value that all of some majority have reached (SEED=${seed})`, () => {
  const random = seededRandom(seed)
  for (let i = 0; i < 2000; i++) {
    const values = Array.from({ length: 1 + random.below(7) }, () => random.below(10))
    const want = Math.max(...majorities(values).map((majority) => Math.min(...majority)))
    assert.equal(quorumValue([...values]), want, `${values}`)
  }
})

test('no voters have no majority', () => {
  assert.equal(quorumValue([]), 0)
  assert.equal(quorumSize(0), 1)
})

/** By definition: a majority says yes, and every majority has somebody who says yes with a log. */
function dumbWon(ballots: readonly (Ballot | undefined)[]): boolean {
  const voters = [...ballots.keys()]
  const yes = voters.filter((voter) => ballots[voter] === 'granted' || ballots[voter] === 'weak')
  const isMajority = yes.length * 2 > voters.length
  return isMajority && majorities(voters).every((majority) => majority.some((voter) => ballots[voter] === 'granted'))
}

function dumbResult(ballots: readonly (Ballot | undefined)[]): 'won' | 'lost' | 'open' {
  if (dumbWon(ballots)) return 'won'
  const best = ballots.map((ballot) => ballot ?? 'granted')
  return dumbWon(best) ? 'open' : 'lost'
}

test(`electionResult agrees with its definition (SEED=${seed})`, () => {
  const random = seededRandom(seed)
  const choices = ['granted', 'weak', 'rejected', undefined] as const
  for (let i = 0; i < 3000; i++) {
    const ballots = Array.from({ length: 1 + random.below(6) }, () => choices[random.below(4)])
    assert.equal(electionResult(ballots), dumbResult(ballots), JSON.stringify(ballots))
  }
})

for (const { name, ballots, want } of [
  { name: 'a second voter that is new does not lock out the first', ballots: ['granted', 'weak'], want: 'won' },
  { name: 'of three, an empty log makes no majority', ballots: ['granted', 'weak', undefined], want: 'open' },
  { name: 'of three, two empty logs lose', ballots: ['granted', 'weak', 'weak'], want: 'lost' },
  { name: 'of four, one may be new', ballots: ['granted', 'granted', 'weak', 'rejected'], want: 'won' },
  { name: 'of four, not two', ballots: ['granted', 'weak', 'weak', 'rejected'], want: 'lost' },
] as const) {
  test(`electionResult: ${name}`, () => assert.equal(electionResult(ballots), want))
}
