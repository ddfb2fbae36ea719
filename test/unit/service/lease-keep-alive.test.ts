import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noMember } from '../../../src/base/ids.ts'
import { EtcdError } from '../../../src/errors.ts'
import { leaseKeepAlive } from '../../../src/service/lease-keep-alive.ts'
import { StatusError } from '../../../src/service/status-error.ts'
import { LeaseKeepAliveRequest, LeaseKeepAliveResponse } from '../../../src/wire/gen/rpc.ts'
import { liveCall } from '../../support/fake-call.ts'
import { FakeMember } from '../../support/fake-member.ts'
import { FakeStream } from '../../support/fake-stream.ts'

const ask = (ID: bigint): Uint8Array => LeaseKeepAliveRequest.encode({ ID }).finish()
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function start(meta: Record<string, string> = {}): { member: FakeMember; stream: FakeStream } {
  const member = new FakeMember()
  const stream = new FakeStream(meta)
  leaseKeepAlive(member, stream, (error) => stream.fail(error), liveCall)
  return { member, stream }
}

const answers = (stream: FakeStream): [bigint, bigint][] =>
  stream.written.map((bytes) => {
    const { ID, TTL } = LeaseKeepAliveResponse.decode(bytes)
    return [ID, TTL]
  })

test('a lease is renewed, an unknown one has 0 seconds and is no error', async () => {
  const { member, stream } = start()
  member.leases.set(5n, 60)
  stream.send(ask(5n))
  stream.send(ask(6n))
  await turn()
  assert.deepEqual(answers(stream), [
    [5n, 60n],
    [6n, 0n],
  ])
  const { header } = LeaseKeepAliveResponse.decode(stream.written[0]!)
  assert.deepEqual(header, { cluster_id: 0xc1n, member_id: 0xa1n, revision: 7n, raft_term: 3n })
  assert.equal(stream.ended, undefined)
})

test('the header is not behind a write that was answered here and that readers do not see yet', async () => {
  const { member, stream } = start()
  member.answered = 8
  stream.send(ask(5n))
  await turn()
  assert.equal(LeaseKeepAliveResponse.decode(stream.written[0]!).header?.revision, 8n)
})

test('answers come in the order of the requests, whichever renewal is done first', async () => {
  const { member, stream } = start()
  const gates = new Map<bigint, () => void>()
  member.onRenew = (id) => new Promise((resolve) => gates.set(id, resolve))
  for (const id of [1n, 2n, 3n]) member.leases.set(id, Number(id) * 10)
  for (const id of [1n, 2n, 3n]) stream.send(ask(id))
  gates.get(3n)!()
  gates.get(2n)!()
  await turn()
  assert.deepEqual(answers(stream), [])
  gates.get(1n)!()
  await turn()
  assert.deepEqual(
    answers(stream).map(([id]) => id),
    [1n, 2n, 3n],
  )
})

test('a half-closed stream ends with OK after its last answer', async () => {
  const { member, stream } = start()
  let renewed: (() => void) | undefined
  member.onRenew = () =>
    new Promise((resolve) => {
      renewed = resolve
    })
  stream.send(ask(1n))
  stream.halfClose()
  assert.equal(stream.ended, undefined)
  renewed!()
  await turn()
  assert.deepEqual(stream.ended, { error: undefined })
  assert.equal(stream.written.length, 1)
})

test('a failed renewal ends the stream with its error, once, and nothing is written after it', async () => {
  const { member, stream } = start()
  member.onRenew = (id) => (id === 1n ? Promise.reject(new EtcdError('timeout')) : Promise.resolve())
  stream.send(ask(1n))
  stream.send(ask(2n))
  await turn()
  assert.equal(stream.reason, 'timeout')
  assert.deepEqual(stream.written, [])
})

test('a malformed request ends the stream', async () => {
  const { stream } = start()
  stream.send(Uint8Array.of(0x08))
  await turn()
  assert.ok(stream.ended?.error instanceof StatusError)
})

test('a client with too many renewals under way, or that does not read, is held back', async () => {
  const { member, stream } = start()
  const gates: (() => void)[] = []
  member.onRenew = () =>
    new Promise((resolve) => {
      gates.push(resolve)
    })
  for (let i = 0; i < 256; i++) stream.send(ask(1n))
  assert.equal(stream.paused, true)
  for (const open of gates) open()
  await turn()
  assert.equal(stream.paused, false)

  member.onRenew = () => Promise.resolve()
  stream.writable = false
  stream.send(ask(1n))
  await turn()
  assert.equal(stream.paused, true)
  stream.drain()
  assert.equal(stream.paused, false)
})

test('a stream that requires a leader is refused without one', () => {
  const member = new FakeMember()
  member.currentLeader = noMember
  const stream = new FakeStream({ hasleader: 'true' })
  leaseKeepAlive(member, stream, (error) => stream.fail(error), liveCall)
  assert.equal(stream.reason, 'noLeader')
  assert.equal(member.listeners, 0)
})

test('a stream that requires a leader is cut some time after it is lost, but not if one comes back', async (context) => {
  context.mock.timers.enable({ apis: ['setTimeout'] })
  const { member, stream } = start({ hasleader: 'true' })
  member.setLeader(noMember)
  context.mock.timers.tick(149)
  assert.equal(stream.ended, undefined)
  member.setLeader(member.info.memberId)
  context.mock.timers.tick(1000)
  assert.equal(stream.ended, undefined)
  member.setLeader(noMember)
  context.mock.timers.tick(150)
  assert.equal(stream.reason, 'noLeader')
  assert.equal(member.listeners, 0, 'unsubscribed')
})
