import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type MemberId, memberId, noMember } from '../../../src/base/ids.ts'
import { silentLog } from '../../../src/base/log.ts'
import { EtcdError, type EtcdErrorReason } from '../../../src/errors.ts'
import { handOverLeadership } from '../../../src/replica/hand-over-leadership.ts'
import type { Replica } from '../../../src/replica/replica.ts'

const [self, other, third] = [memberId(1n), memberId(2n), memberId(3n)]

interface Outcome {
  readonly error: EtcdErrorReason | null
  readonly leader: MemberId
}

/** @returns who leads then, and how often a hand-over was tried. */
async function handOver(outcomes: readonly Outcome[], leader = self, voters = [self, other, third]) {
  let tried = 0
  let leads = leader
  const replica = {
    info: { memberId: self },
    leader: () => leads,
    raftStatus: () => ({ confState: { voters, learners: [] } }),
    transferLeadership(_to: MemberId | null, done: (error: Error | null) => void) {
      const outcome = outcomes[tried++]
      assert.ok(outcome, 'tried too often')
      leads = outcome.leader
      done(outcome.error === null ? null : new EtcdError(outcome.error))
    },
  } as unknown as Replica
  await handOverLeadership(replica, silentLog)
  return { leads, tried }
}

const taken: Outcome = { error: null, leader: other }
const late: Outcome = { error: 'timeoutLeaderFailure', leader: self }

test('a leader hands over, and if the first successor does not take over, once more', async () => {
  assert.deepEqual(await handOver([taken]), { leads: other, tried: 1 })
  assert.deepEqual(await handOver([late, taken]), { leads: other, tried: 2 })
  assert.deepEqual(await handOver([late, late]), { leads: self, tried: 2 })
})

test('nothing is tried by who does not lead, leads nobody, has nobody to hand over to, or leads no more', async () => {
  assert.deepEqual(await handOver([], other), { leads: other, tried: 0 })
  assert.deepEqual(await handOver([], self, [self]), { leads: self, tried: 0 })
  const nobody: Outcome = { error: 'badLeaderTransferee', leader: self }
  assert.deepEqual(await handOver([nobody]), { leads: self, tried: 1 })
  assert.deepEqual(await handOver([{ ...late, leader: noMember }]), { leads: noMember, tried: 1 })
})
