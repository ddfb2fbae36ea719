import assert from 'node:assert/strict'
import { Socket } from 'node:net'
import { test } from 'node:test'
import { ConnectionDeadline } from '../../../src/http/connection-deadline.ts'

test('a connection has one deadline at a time, and what it sends meanwhile does not move it', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  const socket = new Socket()
  const deadline = new ConnectionDeadline(socket, 100)
  t.mock.timers.tick(99)
  deadline.set(50)
  t.mock.timers.tick(49)
  assert.equal(socket.destroyed, false)
  t.mock.timers.tick(1)
  assert.equal(socket.destroyed, true)
  deadline.set(10)
})
