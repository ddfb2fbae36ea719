import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { PendingHandshakes } from '../../../src/security/pending-handshakes.ts'

/** What the class asks of a socket. */
class FakeSocket {
  readonly remoteAddress: string
  destroyed = false
  constructor(remoteAddress: string) {
    this.remoteAddress = remoteAddress
  }
  destroy(): void {
    this.destroyed = true
  }
}

const arrive = (pending: PendingHandshakes, address: string): { socket: FakeSocket; done: () => void } => {
  const socket = new FakeSocket(address)
  return { socket, done: pending.add(socket as unknown as Socket) }
}

test('one more than an address may have ends its oldest, and nobody else’s', () => {
  const pending = new PendingHandshakes(2, 100)
  const other = arrive(pending, '10.0.0.2')
  const [first, second, third] = ['10.0.0.1', '10.0.0.1', '10.0.0.1'].map((address) => arrive(pending, address))
  assert.deepEqual(
    [first, second, third, other].map((each) => each!.socket.destroyed),
    [true, false, false, false],
  )
})

test('one more than all may have ends the oldest of all', () => {
  const pending = new PendingHandshakes(10, 2)
  const all = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map((address) => arrive(pending, address))
  assert.deepEqual(
    all.map(({ socket }) => socket.destroyed),
    [true, false, false],
  )
})

test('a handshake that is over makes room, once', () => {
  const pending = new PendingHandshakes(1, 100)
  const first = arrive(pending, '10.0.0.1')
  first.done()
  first.done()
  const second = arrive(pending, '10.0.0.1')
  first.done()
  assert.deepEqual([first.socket.destroyed, second.socket.destroyed, pending.size], [false, false, 1])
  second.done()
  assert.equal(pending.size, 0)
})

for (const { a, b, same } of [
  { a: '2001:db8:0:1::5', b: '2001:db8:0:1:aaaa::6', same: true },
  { a: '2001:db8::5', b: '2001:db8:0:0:9::', same: true },
  { a: '2001:db8:0:1::5', b: '2001:db8:0:2::5', same: false },
  { a: 'fe80::1%eth0', b: 'fe80::2%eth0', same: true },
  { a: '::1', b: '::2', same: true },
  { a: '::ffff:10.0.0.1', b: '::ffff:10.0.0.2', same: false },
]) {
  test(`${a} and ${b} count ${same ? 'as one' : 'by themselves'}`, () => {
    const pending = new PendingHandshakes(1, 100)
    const first = arrive(pending, a)
    arrive(pending, b)
    assert.equal(first.socket.destroyed, same)
  })
}
