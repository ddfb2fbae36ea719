import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { silentLog } from '../../../src/base/log.ts'
import { Code, EtcdError } from '../../../src/errors.ts'
import { CallCounts, countedMethods, methodNumber } from '../../../src/grpc/call-counts.ts'
import { methodPaths } from '../../../src/grpc/method.ts'
import { methodTable } from '../../../src/grpc/methods.ts'
import { createHealthService } from '../../../src/service/health.ts'
import { Login } from '../../../src/service/login.ts'
import { NewPasswords } from '../../../src/service/new-passwords.ts'
import { createWatchService } from '../../../src/service/watch.ts'
import { FakeMember } from '../../support/fake-member.ts'
import { RawClient, serve, tableOf } from '../../support/grpc-harness.ts'
import { PlainPasswords } from '../../support/plain-passwords.ts'
import { waitFor } from '../../support/wait-for.ts'

const range = '/etcdserverpb.KV/Range'
const watch = '/etcdserverpb.Watch/Watch'
const bytes = (size: number): Buffer => Buffer.alloc(size, 1)

test('every method of the table is counted under its own kind', async () => {
  const member = new FakeMember()
  const passwords = new PlainPasswords()
  const table = methodTable({
    watch: createWatchService(member, { log: silentLog }),
    health: createHealthService(member, []),
    login: new Login(passwords, silentLog),
    passwords: new NewPasswords(passwords, 1, silentLog),
    reflection: true,
  })
  const kinds = { unary: 'unary', bidi: 'bidi_stream', serverStream: 'server_stream' } as const
  const rows = [...methodPaths(table)]
  assert.equal(rows.length, countedMethods.length)
  for (const [path, method] of rows) {
    const { service, method: name, type } = countedMethods[methodNumber(path)]!
    assert.equal(`/${service}/${name}`, path)
    if (method.kind !== 'notBuilt') assert.equal(type, kinds[method.kind], path)
  }
})

test('calls are counted by how they end, and messages with their bytes', async () => {
  const counts = new CallCounts(true)
  const never = new Promise<Uint8Array>(() => {})
  await using server = await serve(
    tableOf({
      [range]: {
        kind: 'unary',
        handler: (_member, request) => {
          if (request.length === 1) throw new EtcdError('compacted')
          return request.length === 2 ? never : sleep(50, bytes(7))
        },
      },
      [watch]: { kind: 'bidi', handler: (_member, stream) => stream.onMessage((message) => stream.write(message)) },
    }),
    { counts },
  )
  using client = new RawClient(server.port)
  await client.unary(range, bytes(3))
  await client.refusal(range, bytes(1))
  // Enough to get there on a busy machine.
  await assert.rejects(client.unary(range, bytes(2), {}, 500))
  const stream = client.bidi(watch)
  stream.on('error', () => {})
  const answered = new Promise((resolve) => stream.once('data', resolve))
  stream.write(bytes(10))
  await answered
  const number = methodNumber(range)
  const streams = methodNumber(watch)
  assert.equal(counts.begunOf(streams), 1)
  assert.equal(counts.handledOf(streams, Code.Canceled), 0)
  stream.cancel()
  await waitFor('the cancelled call has ended', () => counts.handledOf(streams, Code.Canceled) === 1)
  // The deadline ends the call at the client and here, in either order.
  const timedOut = () => counts.handledOf(number, Code.DeadlineExceeded) + counts.handledOf(number, Code.Canceled)
  await waitFor('the late call has ended', () => timedOut() === 1)
  assert.equal(counts.begunOf(number), 3)
  assert.equal(counts.handledOf(number, Code.Ok), 1)
  assert.equal(counts.handledOf(number, Code.OutOfRange), 1)
  assert.equal(counts.receivedOf(number), 3)
  assert.equal(counts.sentOf(number), 1)
  assert.equal(counts.receivedOf(streams), 1)
  assert.equal(counts.sentOf(streams), 1)
  assert.equal(counts.receivedBytes, 1 + 2 + 3 + 10)
  assert.equal(counts.sentBytes, 7 + 10)
  const seconds = counts.secondsOf(number)!
  assert.equal(
    seconds.counts.reduce((a, b) => a + b),
    3,
  )
  assert.ok(seconds.sum > 0.04, `${seconds.sum} s`)
})

test('a call is not timed unless that is asked for', () => {
  const counts = new CallCounts(false)
  counts.ended(0, Code.Ok, counts.began(0))
  assert.equal(counts.secondsOf(0), null)
  assert.equal(counts.handledOf(0, Code.Ok), 1)
})
