import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bootstrapState } from '../../../src/apply/bootstrap.ts'
import { clusterId, leaseId, noMember } from '../../../src/base/ids.ts'
import { limits } from '../../../src/base/limits.ts'
import { silentLog } from '../../../src/base/log.ts'
import type { LogStore, Peers } from '../../../src/replica/ports.ts'
import { Replica } from '../../../src/replica/replica.ts'
import { MemoryState } from '../../../src/storage/memory-state.ts'
import { LeaseGrantRequest, PutRequest } from '../../../src/wire/gen/rpc.ts'
import { bytes, memberRecord, putRequest, self } from '../../support/commands.ts'

const info = {
  clusterId: clusterId(9n),
  memberId: self,
  version: '3.4.23',
  maxTxnOps: 128,
  maxRequestBytes: 1_572_864,
  electionTimeoutMs: 1000,
  leaseTtlSecondsMin: 2,
  watchProgressIntervalMs: 600_000,
  authTokenTtlSeconds: 300,
}

/** A member alone, whose state is written only when it is told to: its log goes on without it. */
function loneReplica() {
  let nowMs = 0
  const soon: (() => void)[] = []
  const writes: (() => void)[] = []
  const run = (queue: (() => void)[]): void => {
    for (let callback = queue.shift(); callback; callback = queue.shift()) callback()
  }
  const state = new MemoryState({ schedule: (callback) => writes.push(callback) })
  state.transact(
    (view) => bootstrapState(view, { clusterId: info.clusterId, members: [memberRecord({ id: self })] }),
    assert.ifError,
  )
  run(writes)
  const log: LogStore = {
    append: (_, done) => soon.push(() => done()),
    reset: (_, __, done) => soon.push(() => done()),
    release: () => {},
  }
  const peers: Peers = { send: () => {}, sendSnapshot: () => {}, call: () => {}, connectedMs: () => null }
  const replica = new Replica(
    {
      info,
      electionTicks: 10,
      preVote: false,
      seed: 1,
      recovered: {
        hardState: { term: 0, vote: noMember, commit: 0 },
        start: { index: 0, term: 0 },
        entries: [],
      },
    },
    {
      log,
      state,
      peers,
      clock: {
        nowMs: () => nowMs,
        after: () => ({ cancel: () => {} }),
        soon: (callback) => soon.push(callback),
      },
      report: silentLog,
      failed: (error) => assert.fail(error),
    },
  )
  const tick = (ms: number): void => {
    nowMs += ms
    replica.tick()
    run(soon)
  }
  const applyAll = (): void => {
    while (soon.length + writes.length > 0) {
      run(soon)
      run(writes)
    }
  }
  for (let ticks = 0; replica.leader() !== self; ticks++) {
    assert.ok(ticks < 50, 'a member alone elects itself')
    tick(100)
    applyAll()
  }
  return { replica, tick, run: () => run(soon), applyAll }
}

const request = PutRequest.encode(putRequest({ key: bytes('a') })).finish()

test('writes are refused while too many wait to be applied, and taken again when they are', () => {
  const { replica, run, applyAll } = loneReplica()
  const answers: string[] = []
  const put = (): void => {
    replica.propose('put', request, (error, outcome) =>
      answers.push(error?.message ?? (outcome!.ok ? 'ok' : 'refused')),
    )
    run()
  }
  for (let i = 0; i <= limits.unappliedEntriesMax; i++) put()
  assert.deepEqual(answers, [])
  put()
  assert.deepEqual(answers, ['etcdserver: too many requests'])
  applyAll()
  assert.equal(answers.filter((answer) => answer === 'ok').length, limits.unappliedEntriesMax + 1)
  put()
  applyAll()
  assert.equal(answers.at(-1), 'ok')
})

test('a write that is not applied in time is told so after five seconds and two election timeouts', () => {
  const { replica, tick, run } = loneReplica()
  const answers: string[] = []
  replica.propose('put', request, (error) => answers.push(error?.message ?? 'ok'))
  run()
  for (let ms = 0; ms < 6900; ms += 100) tick(100)
  assert.deepEqual(answers, [])
  tick(100)
  assert.deepEqual(answers, ['etcdserver: request timed out'])
})

test('a lease is not shortened by the time in which a busy leader could not hear its renewals', () => {
  const { replica, tick, applyAll } = loneReplica()
  const grant = LeaseGrantRequest.encode({ ID: 7n, TTL: 5n }).finish()
  replica.propose('leaseGrant', grant, assert.ifError)
  applyAll()
  const answers: number[] = []
  const renew = (): void => {
    replica.renewLease(leaseId(7n), (error, ttlSeconds) => {
      assert.ifError(error)
      answers.push(ttlSeconds)
    })
    applyAll()
  }
  for (let ms = 0; ms < 4000; ms += 100) tick(100)
  tick(60_000)
  renew()
  assert.deepEqual(answers, [5])
  for (let ms = 0; ms < 5000; ms += 100) tick(100)
  renew()
  assert.deepEqual(answers, [5, 0])
})
