import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LeaseId, leaseId, type MemberId, memberId, noMember } from '../../../src/base/ids.ts'
import { limits } from '../../../src/base/limits.ts'
import { EtcdError } from '../../../src/errors.ts'
import { idsByExpiry } from '../../../src/lease/expiry-list.ts'
import { type LeaseRecord, putLease, removeLease } from '../../../src/lease/records.ts'
import { allAtOnce } from '../../../src/mvcc/steps.ts'
import { LeaseKeeper } from '../../../src/replica/lease-keeper.ts'
import type { PeerCallDone, PeerMethod } from '../../../src/replica/ports.ts'
import { Command_Kind, LeaseCheckpoints } from '../../../src/wire/gen/internal.ts'
import { LeaseKeepAliveResponse, LeaseRevokeRequest } from '../../../src/wire/gen/rpc.ts'
import { NaiveView } from '../../support/naive-view.ts'

const self = memberId(1n)
const id = leaseId(7n)
const timeoutMs = 7000
const extendMs = 1000

/** A keeper whose world the test plays: time, leader, raft and the other members. */
class World {
  now = 0
  leader: MemberId = self
  takesProposals = true
  readonly proposed: string[] = []
  readonly calls: { readonly to: MemberId; readonly method: PeerMethod; readonly done: PeerCallDone }[] = []
  /** Barriers that wait; null: each is there at once. */
  barriers: ((error: Error | null) => void)[] | null = null
  readonly turns: (() => void)[] = []
  readonly view = new NaiveView()
  readonly keeper: LeaseKeeper

  constructor(checkpointMs: number | null = null) {
    this.keeper = new LeaseKeeper(
      {
        nowMs: () => this.now,
        soon: (work) => void this.turns.push(work),
        self: () => self,
        leader: () => this.leader,
        read: (work) => work(this.view),
        barrier: (done) => void (this.barriers === null ? done(null) : this.barriers.push(done)),
        call: (to, method, _, done) => void this.calls.push({ to, method, done }),
        propose: (kind, request) => this.#propose(kind, request),
      },
      { extendMs, timeoutMs, checkpointMs },
    )
  }

  #propose(kind: Command_Kind, request: Uint8Array): boolean {
    if (!this.takesProposals) return false
    if (kind === Command_Kind.LEASE_REVOKE) this.proposed.push(`revoke ${LeaseRevokeRequest.decode(request).ID}`)
    else {
      for (const { id, remaining_seconds } of LeaseCheckpoints.decode(request).checkpoints)
        this.proposed.push(`checkpoint ${id} ${remaining_seconds}`)
    }
    return true
  }

  lead(...leases: readonly Partial<LeaseRecord>[]): void {
    for (const lease of leases) putLease(this.view, { id, ttlSeconds: 10, checkpointSeconds: 0, ...lease })
    this.keeper.leads(1)
    this.keeper.applied(1)
  }

  at(ms: number): void {
    this.now = ms
    this.keeper.tick()
  }

  /** Answers as they come: seconds, or the reason of a refusal. */
  renew(lease: LeaseId = id): (number | string)[] {
    const answers: (number | string)[] = []
    this.keeper.renew(lease, (error, ttl) => answers.push(error instanceof EtcdError ? error.reason : ttl))
    return answers
  }
}

test('a renewal of an expired lease is answered when the revocation is applied, and never with success', () => {
  const world = new World()
  world.lead({})
  world.now = 10_000 + extendMs
  const first = world.renew()
  assert.deepEqual([first, world.proposed], [[], ['revoke 7']], 'not even on the next tick')
  world.at(world.now + 100)
  const second = world.renew()
  assert.deepEqual([first, second, world.proposed], [[], [], ['revoke 7']])
  world.keeper.changed([{ kind: 'revoked', id }])
  assert.deepEqual([first, second], [[0], [0]])
  assert.deepEqual(world.renew(), [0])
})

test('a renewal whose revocation does not come through is decided by the next leader', () => {
  const world = new World()
  world.lead({})
  world.now = 10_000 + extendMs
  const answers = world.renew()
  world.leader = memberId(2n)
  world.keeper.leads(null)
  assert.deepEqual(answers, [])
  world.at(world.now + 100)
  assert.deepEqual([world.calls[0]?.to, world.calls[0]?.method], [2n, 'leaseRenew'])
})

test('a renewal whose revocation never comes through times out', () => {
  const world = new World()
  world.lead({})
  world.now = 10_000 + extendMs
  const answers = world.renew()
  world.at(world.now + timeoutMs - 1)
  assert.deepEqual(answers, [])
  world.at(world.now + 1)
  assert.deepEqual(answers, ['timeout'])
})

test('a renewal after a checkpoint is confirmed only when the log has taken that back', () => {
  const world = new World(1000)
  world.lead({ checkpointSeconds: 4 })
  const answers = [...Array(2)].map(() => world.renew())
  assert.deepEqual([answers, world.proposed], [[[], []], ['checkpoint 7 0']])
  world.keeper.changed([{ kind: 'checkpointed', id, remainingSeconds: 0 }])
  assert.deepEqual(answers, [[10], [10]])
  assert.deepEqual(world.renew(), [10])
})

test('a renewal is not confirmed while raft does not take the end of a checkpoint', () => {
  const world = new World(1000)
  world.lead({ checkpointSeconds: 4 })
  world.takesProposals = false
  const answers = world.renew()
  world.takesProposals = true
  world.at(100)
  assert.deepEqual([answers, world.proposed], [[], ['checkpoint 7 0']])
  world.keeper.changed([{ kind: 'revoked', id }])
  assert.deepEqual(answers, [0], 'revoked before that')
})

test('a checkpoint of an earlier lease with the same id is taken back at once', () => {
  const world = new World(1000)
  world.lead({ ttlSeconds: 5 })
  world.at(1000 + extendMs)
  assert.deepEqual(world.proposed, ['checkpoint 7 4'])
  world.keeper.changed([{ kind: 'revoked', id }])
  world.keeper.changed([{ kind: 'granted', id, ttlSeconds: 50 }])
  world.keeper.changed([{ kind: 'checkpointed', id, remainingSeconds: 4 }])
  assert.deepEqual(world.proposed, ['checkpoint 7 4', 'checkpoint 7 0'])
})

test('without a leader a question waits for one, and fails in the end for want of one', () => {
  const world = new World()
  world.leader = noMember
  const answers = world.renew()
  world.at(timeoutMs - 1)
  assert.deepEqual(answers, [])
  world.at(timeoutMs)
  assert.deepEqual(answers, ['noLeader'])
  const second = world.renew()
  world.leader = memberId(2n)
  world.at(timeoutMs + 100)
  assert.equal(world.calls.length, 1)
  assert.deepEqual(second, [])
})

test('a question that was under way when the leader lost its followers fails for want of a leader', () => {
  const world = new World()
  world.lead({})
  world.barriers = []
  const answers = world.renew()
  world.leader = noMember
  world.keeper.leads(null)
  world.barriers[0]!(new EtcdError('timeout'))
  assert.deepEqual(answers, ['noLeader'])
})

test('a leader that cannot be reached is asked again until the time is over', () => {
  const world = new World()
  world.leader = memberId(2n)
  const answers = world.renew()
  for (const reason of ['timeoutConnectionLost', 'tooManyRequests', 'stopped', 'notLeader', 'timeout'] as const) {
    world.calls.pop()!.done(new EtcdError(reason), null)
    world.at(world.now + 100)
    assert.equal(world.calls.length, 1, `asked again after ${reason}`)
  }
  world.calls.pop()!.done(new EtcdError('timeoutConnectionLost'), null)
  world.at(timeoutMs)
  assert.deepEqual(answers, ['timeout'])
})

test('what a leader does not answer is asked of the next one as soon as that is known', () => {
  const world = new World()
  world.leader = memberId(2n)
  const answers = world.renew()
  world.leader = noMember
  world.at(100)
  assert.deepEqual(answers, [])
  world.leader = memberId(3n)
  world.at(200)
  assert.deepEqual(
    world.calls.map(({ to }) => to),
    [memberId(2n), memberId(3n)],
  )
  const response = LeaseKeepAliveResponse.encode({ header: undefined, ID: id, TTL: 10n }).finish()
  world.calls[0]!.done(new EtcdError('timeoutConnectionLost'), null)
  assert.deepEqual(answers, [], 'the one that was given up says nothing any more')
  world.calls[1]!.done(null, response)
  assert.deepEqual(answers, [10])
})

test('the end of the member ends all questions, also those that the transport gives back later', () => {
  const world = new World()
  world.leader = memberId(2n)
  const asked = world.renew()
  world.keeper.failAll(new EtcdError('stopped'))
  world.calls[0]!.done(new EtcdError('stopped'), null)
  assert.deepEqual(asked, ['stopped'])
})

test('leases are listed by their expiry, which only the leader knows', () => {
  const world = new World()
  world.lead(
    { id: leaseId(1n), ttlSeconds: 60 },
    { id: leaseId(2n), ttlSeconds: 30 },
    { id: leaseId(3n), ttlSeconds: 45 },
  )
  world.renew(leaseId(2n))
  world.at(40_000)
  world.keeper.changed([{ kind: 'granted', id: leaseId(4n), ttlSeconds: 3 }])
  const lists: bigint[][] = []
  world.keeper.expiries((_, rows) => lists.push(allAtOnce(idsByExpiry(rows!))))
  world.keeper.answer('leaseExpiries', new Uint8Array(0), (_, rows) => lists.push(allAtOnce(idsByExpiry(rows!))))
  assert.deepEqual(lists, [
    [2n, 4n, 3n, 1n],
    [2n, 4n, 3n, 1n],
  ])
})

/** A world whose new leader finds more leases than it takes over in one turn, with ids from 1 on. */
function worldWithMany(): World {
  const world = new World()
  const leases = Array.from({ length: 2 * limits.leaseLoadBatchMax }, (_, i) => ({ id: leaseId(BigInt(i + 1)) }))
  world.lead(...leases.slice(1), { id: leaseId(-1n) }, leases[0]!)
  return world
}

test('a leader takes many leases over in steps, and answers when it has them all', () => {
  const world = worldWithMany()
  const answers = [
    world.renew(leaseId(2n)),
    world.renew(leaseId(-1n)),
    world.renew(leaseId(3n)),
    world.renew(leaseId(5000n)),
  ]
  const peers: unknown[] = []
  world.keeper.answer('leaseExpiries', new Uint8Array(0), (error) => peers.push((error as EtcdError).reason))
  assert.deepEqual([answers, peers], [[[], [], [], []], ['notLeader']])
  // Meanwhile one that it has found goes, one that it has not found goes, and one comes.
  for (const gone of [3n, -1n]) removeLease(world.view, leaseId(gone))
  world.keeper.changed([
    { kind: 'revoked', id: leaseId(3n) },
    { kind: 'revoked', id: leaseId(-1n) },
  ])
  putLease(world.view, { id: leaseId(5000n), ttlSeconds: 30, checkpointSeconds: 0 })
  world.keeper.changed([{ kind: 'granted', id: leaseId(5000n), ttlSeconds: 30 }])
  while (world.turns.length > 0) world.turns.shift()!()
  assert.deepEqual(answers, [[10], [0], [0], [30]])
  const lists: bigint[][] = []
  world.keeper.expiries((_, rows) => lists.push(allAtOnce(idsByExpiry(rows!))))
  assert.equal(new Set(lists[0]).size, 2 * limits.leaseLoadBatchMax)
})

test('a leader keeps the time of leases once an entry of its own term is applied, until it leads no more', () => {
  const world = new World()
  putLease(world.view, { id, ttlSeconds: 10, checkpointSeconds: 0 })
  world.keeper.leads(3)
  world.keeper.applied(2)
  const early = world.renew()
  assert.deepEqual(early, [])
  world.keeper.applied(3)
  assert.deepEqual(early, [10])
  // Neither the same term again nor more entries begin anew.
  world.now = 9000
  world.keeper.leads(3)
  world.keeper.applied(3)
  world.at(10_000 + extendMs)
  assert.deepEqual([world.proposed, world.keeper.expired], [['revoke 7'], 1])
  world.keeper.leads(4)
  world.keeper.applied(3)
  assert.deepEqual(world.renew(), [])
  world.keeper.applied(4)
  world.at(world.now + 100)
  assert.equal(world.keeper.expired, 1, 'a new leader gives them all of their time')
})

test('a leader that is deposed while it takes leases over goes no further', () => {
  const world = worldWithMany()
  world.keeper.leads(null)
  world.keeper.leads(2)
  world.keeper.applied(2)
  const [stale, current] = world.turns
  stale!()
  assert.equal(world.turns.length, 2, 'the step of the earlier time in office')
  current!()
  assert.equal(world.turns.length, 3)
})

test('more questions than a member can hold are refused', () => {
  const world = new World()
  world.leader = noMember
  let refused = 0
  for (let i = 0; i < limits.leaderQuestionsMax; i++) world.keeper.renew(id, () => refused++)
  assert.equal(refused, 0)
  assert.deepEqual(world.renew(), ['tooManyRequests'])
  world.keeper.failAll(new EtcdError('stopped'))
  assert.equal(refused, limits.leaderQuestionsMax)
})
