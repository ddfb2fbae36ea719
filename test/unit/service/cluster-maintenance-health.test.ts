import assert from 'node:assert/strict'
import { test } from 'node:test'
import { memberId, noMember } from '../../../src/base/ids.ts'
import { Code, EtcdError } from '../../../src/errors.ts'
import type { Pair, ReadView } from '../../../src/mvcc/view.ts'
import { refuseOnLearner } from '../../../src/service/admission.ts'
import { memberList } from '../../../src/service/cluster.ts'
import { decodeRequest } from '../../../src/service/decode.ts'
import { createHealthService } from '../../../src/service/health.ts'
import { alarm, downgrade, status } from '../../../src/service/maintenance.ts'
import { HealthCheckRequest, HealthCheckResponse } from '../../../src/wire/gen/health.ts'
import { MemberRecord } from '../../../src/wire/gen/internal.ts'
import {
  AlarmRequest,
  AlarmResponse,
  DowngradeRequest,
  MemberListRequest,
  MemberListResponse,
  RangeRequest,
  StatusResponse,
} from '../../../src/wire/gen/rpc.ts'
import { liveCall } from '../../support/fake-call.ts'
import { FakeMember } from '../../support/fake-member.ts'
import { FakeStream } from '../../support/fake-stream.ts'

const none = new Uint8Array(0)

function viewOfMembers(records: readonly MemberRecord[]): ReadView {
  const pairs = records.map((record): Pair => {
    const key = Buffer.alloc(8)
    key.writeBigUInt64BE(record.id)
    return [key, MemberRecord.encode(record).finish()]
  })
  return {
    get: (_table, key) => pairs.find(([at]) => Buffer.compare(at, key) === 0)?.[1],
    scan: () => pairs,
    count: () => pairs.length,
  }
}

const record = (id: bigint, isLearner = false): MemberRecord => ({
  id,
  name: `m${id}`,
  peer_urls: ['https://127.0.0.1:2380'],
  client_urls: ['https://127.0.0.1:2379'],
  is_learner: isLearner,
})

test('the member list shows every member and has no revision', async () => {
  const member = new FakeMember()
  const high = 0xffff_ffff_ffff_fffen
  member.view = viewOfMembers([record(2n), record(high, true)])
  const list = MemberListResponse.decode(await memberList(member, none))
  assert.deepEqual(list.header, { cluster_id: 0xc1n, member_id: 0xa1n, revision: 0n, raft_term: 3n })
  assert.deepEqual(
    list.members.map(({ ID, name, isLearner }) => ({ ID, name, isLearner })),
    [
      { ID: 2n, name: 'm2', isLearner: false },
      { ID: high, name: `m${high}`, isLearner: true },
    ],
  )
  assert.equal(member.barriers, 0)
  await memberList(member, MemberListRequest.encode({ linearizable: true }).finish())
  assert.equal(member.barriers, 1)
})

test('the status tells how the member is doing, and that there is no leader', async () => {
  const member = new FakeMember()
  const good = StatusResponse.decode(await status(member, none))
  assert.deepEqual(
    [good.version, good.dbSize, good.dbSizeInUse, good.leader, good.raftIndex, good.raftAppliedIndex, good.raftTerm],
    ['3.4.23', 4096n, 1024n, 0xa1n, 21n, 20n, 3n],
  )
  assert.deepEqual(good.errors, [])
  assert.equal(good.header?.revision, 7n)
  member.currentLeader = noMember
  assert.deepEqual(StatusResponse.decode(await status(member, none)).errors, ['etcdserver: no leader'])
})

test('the status has the revision of every write that was answered', async () => {
  const member = new FakeMember()
  member.answeredVisible = async () => {
    member.currentRevision = 8
  }
  assert.equal(StatusResponse.decode(await status(member, none)).header?.revision, 8n)
})

test('alarms can be listed and not set', () => {
  const member = new FakeMember()
  assert.deepEqual(AlarmResponse.decode(alarm(member, none, liveCall)).alarms, [])
  for (const action of [1, 2] as const) {
    const request = AlarmRequest.encode({ action, memberID: 0n, alarm: 1 }).finish()
    assert.throws(() => alarm(member, request, liveCall), { name: 'StatusError', code: Code.Unimplemented })
  }
})

test('health tells the truth: serving with a leader, not serving without', () => {
  const member = new FakeMember()
  const health = createHealthService(member, ['etcdserverpb.KV'])
  const ask = (service: string): number => {
    const request = HealthCheckRequest.encode({ service }).finish()
    return HealthCheckResponse.decode(health.check(request)).status
  }
  assert.equal(ask(''), 1)
  assert.equal(ask('etcdserverpb.KV'), 1)
  member.currentLeader = noMember
  assert.equal(ask(''), 2)
  member.setLeader(memberId(5n))
  assert.equal(ask('etcdserverpb.KV'), 1)
  health.stop()
  assert.equal(ask('etcdserverpb.KV'), 2)
  assert.throws(() => ask('nobody'), { name: 'StatusError', code: Code.NotFound })
})

test('a health watch tells every change once, until the client goes', () => {
  const member = new FakeMember()
  const stream = new FakeStream()
  const health = createHealthService(member, [])
  health.watch(none, stream)
  member.setLeader(noMember)
  member.setLeader(noMember)
  member.setLeader(memberId(5n))
  member.setLeader(memberId(6n))
  assert.deepEqual(
    stream.written.map((bytes) => HealthCheckResponse.decode(bytes).status),
    [1, 2, 1],
  )
  stream.close()
  assert.equal(member.listeners, 0)

  const unknown = new FakeStream()
  health.watch(HealthCheckRequest.encode({ service: 'nobody' }).finish(), unknown)
  assert.deepEqual(HealthCheckResponse.decode(unknown.written[0]!).status, 3)
  assert.equal(unknown.ended, undefined)

  const last = new FakeStream()
  health.watch(none, last)
  health.stop()
  health.stop()
  assert.deepEqual(
    last.written.map((bytes) => HealthCheckResponse.decode(bytes).status),
    [1, 2],
  )
  assert.deepEqual(last.ended?.error, new EtcdError('stopped'))
})

test('a learner refuses until it is promoted; a voter is never asked again', () => {
  const member = new FakeMember()
  member.view = viewOfMembers([record(0xa1n, true)])
  assert.throws(() => refuseOnLearner(member), { reason: 'notSupportedForLearner' })
  member.view = viewOfMembers([record(0xa1n)])
  refuseOnLearner(member)
  member.view = {
    ...member.view,
    get: () => {
      throw new Error('read again')
    },
  }
  refuseOnLearner(member)
})

for (const { name, bytes } of [
  { name: 'a truncated field', bytes: [0x0a, 0x05, 0x61] },
  { name: 'an endless varint', bytes: Array.from({ length: 11 }, () => 0xff) },
  { name: 'a length beyond the end', bytes: [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f] },
  { name: 'field number 0 hiding what follows', bytes: [0x00, 0x0a, 0x01, 0x61] },
  { name: 'an end of a group that never began', bytes: [0x0c, 0x0a, 0x01, 0x61] },
  { name: 'garbage', bytes: [0xde, 0xad, 0xbe, 0xef] },
]) {
  test(`malformed request: ${name}`, () => {
    assert.throws(() => decodeRequest(RangeRequest, Uint8Array.from(bytes)), {
      name: 'StatusError',
      code: Code.Internal,
    })
  })
}

test('unknown fields are skipped', () => {
  const bytes = Uint8Array.from([0xf8, 0x07, 0x01, 0x0a, 0x01, 0x61])
  assert.deepEqual([...decodeRequest(RangeRequest, bytes).key], [0x61])
})

test('a downgrade is refused as etcd refuses one that cannot be', async () => {
  const ask = (action: number, version: string): Promise<Uint8Array> =>
    downgrade(new FakeMember(), DowngradeRequest.encode({ action: action as 0, version }).finish())
  for (const action of [0, 1]) {
    for (const version of ['3.4', '3.5.0', '9.9.9-rc.1'])
      await assert.rejects(ask(action, version), { reason: 'invalidDowngradeTarget' })
    for (const version of ['', '3', 'v3.4', '3.4.', '3.4.1.2', 'x'.repeat(1_000_000)])
      await assert.rejects(ask(action, version), { reason: 'wrongDowngradeVersionFormat' })
  }
  await assert.rejects(ask(2, ''), { reason: 'noInflightDowngrade' })
  for (const action of [3, -1, 2 ** 31 - 1]) await assert.rejects(ask(action, '3.4'), { reason: 'unknownMethod' })
})
