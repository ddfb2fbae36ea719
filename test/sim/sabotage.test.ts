import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runSeed } from './run-seed.ts'
import type { FaultKind, Sabotage } from './settings.ts'

const seedsMax = 300
const crashes: readonly FaultKind[] = ['crash', 'crashAll', 'isolateLeader', 'partition']

// A simulator that cannot fail proves nothing: each of these bugs is put in on purpose, and must be found.
for (const { sabotage, what, found, ...overrides } of [
  {
    sabotage: 'logLies',
    what: 'a log that says "durable" too early',
    faults: crashes,
    members: 3,
    found: ['state machine safety', 'leader completeness', 'election safety', 'log matching', 'liveness'],
  },
  {
    sabotage: 'votesForgotten',
    what: 'a vote that is forgotten in a restart',
    faults: ['crash', 'crashInEvent', 'isolateLeader'],
    members: 5,
    preVote: false,
    faultEveryMs: 400,
    found: ['election safety'],
  },
  {
    sabotage: 'staleReads',
    what: 'reads that do not wait for their barrier',
    faults: ['slowDisk', 'slowLink', 'isolateLeader'],
    members: 3,
    found: ['linearizability'],
  },
  {
    sabotage: 'proposalsTwice',
    what: 'forwarded proposals that arrive twice',
    faults: [],
    members: 3,
    found: ['exactly once'],
  },
  {
    sabotage: 'proposalsOfAnyTerm',
    what: 'a forwarded proposal that is taken after it was given up for lost',
    faults: ['slowLink', 'transfer'],
    members: 5,
    faultEveryMs: 200,
    found: ['exactly once'],
  },
  {
    sabotage: 'bitRot',
    what: 'a state that changes by itself',
    faults: [],
    members: 3,
    found: ['state machine safety'],
  },
] as const satisfies readonly {
  sabotage: Sabotage
  what: string
  faults: readonly FaultKind[]
  members: number
  preVote?: boolean
  faultEveryMs?: number
  found: readonly string[]
}[]) {
  test(`the checkers find ${what}`, (context) => {
    for (let seed = 1; seed <= seedsMax; seed++) {
      const { failure } = runSeed(seed, { sabotage, ...overrides })
      if (!failure) continue
      context.diagnostic(`seed ${seed}: ${failure.message}`)
      assert.ok((found as readonly string[]).includes(failure.property), failure.message)
      return
    }
    assert.fail(`${seedsMax} seeds ran without a complaint`)
  })
}
