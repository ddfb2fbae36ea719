import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { limits } from '../../../src/base/limits.ts'
import { LoginGuard } from '../../../src/service/login-guard.ts'
import { within } from '../../support/within.ts'

const guardAt = (nowMs: () => number): LoginGuard => new LoginGuard(LoginGuard.memory(), nowMs)

test('after some failures each next attempt of a user waits twice as long, up to a bound', () => {
  let now = 1
  const guard = guardAt(() => now)
  const waitMs = (): number => {
    const start = now
    while (guard.mustWait('ann', 'here')) now += 50
    return now - start
  }
  for (let n = 0; n < 10; n++) {
    assert.equal(guard.mustWait('ann', 'here'), false)
    guard.failed('ann', `address ${n}`)
  }
  const waits: number[] = []
  for (let n = 0; n < 8; n++) {
    waits.push(waitMs())
    guard.failed('ann', `address ${n}`)
  }
  assert.deepEqual(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000])
  assert.equal(guard.mustWait('bob', 'here'), false, 'others go on')
  guard.succeeded('ann')
  assert.equal(guard.mustWait('ann', 'here'), false)
})

test('an address that fails in many names has to wait, whatever the name', () => {
  let now = 1
  const guard = guardAt(() => now)
  for (let n = 0; n < 100; n++) guard.failed(`user ${n}`, 'there')
  assert.equal(guard.mustWait('new', 'there'), true)
  assert.equal(guard.mustWait('new', 'here'), false)
  now += 11 * 60 * 1000
  assert.equal(guard.mustWait('new', 'there'), false)
  guard.failed('new', 'there')
  assert.equal(guard.mustWait('new', 'there'), false, 'long ago is forgotten')
})

test('of IPv6 the network counts, of IPv4 the address, in whichever form', () => {
  const guard = guardAt(() => 1)
  for (let n = 0; n < 50; n++) {
    guard.failed(`a${n}`, `2001:db8:1:2::${n.toString(16)}`)
    guard.failed(`b${n}`, `2001:db8:1:2:ffff:${n.toString(16)}:1:1`)
    guard.failed(`c${n}`, '::ffff:192.0.2.1')
  }
  assert.equal(guard.mustWait('new', '2001:db8:1:2:3:4:5:6'), true)
  assert.equal(guard.mustWait('new', '2001:db8:1:3::1'), false)
  assert.equal(guard.mustWait('new', '::ffff:192.0.2.1'), false)
  for (let n = 0; n < 50; n++) guard.failed(`d${n}`, '::ffff:192.0.2.1')
  assert.equal(guard.mustWait('new', '::ffff:192.0.2.1'), true)
  assert.equal(guard.mustWait('new', '::ffff:192.0.2.2'), false)
})

test('what is remembered has a fixed size: of those who share a place the ones that failed longest ago are forgotten', () => {
  let now = 1
  const guard = guardAt(() => now)
  for (let n = 0; n < 11; n++) guard.failed('ann', `a${n}`)
  for (let n = 0; n < 20 * limits.loginFailuresRememberedMax; n++) {
    now++
    guard.failed(`user ${n}`, '')
  }
  for (let n = 0; n < 11; n++) guard.failed('bob', `a${n}`)
  assert.equal(guard.mustWait('ann', 'x'), false)
  assert.equal(guard.mustWait('bob', 'x'), true)
})

test('all threads of a member count together, and a thread that ends takes nothing along', {
  timeout: 20_000,
}, async () => {
  const memory = LoginGuard.memory()
  const failing = `
    const { workerData } = require('node:worker_threads')
    import(workerData.module).then(({ LoginGuard }) => {
      const guard = new LoginGuard(workerData.memory)
      for (let n = 0; n < 200; n++) guard.failed('ann', workerData.address)
    })`
  const module = new URL('../../../src/service/login-guard.ts', import.meta.url).href
  await Promise.all(
    ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address) => {
      const worker = new Worker(failing, { eval: true, workerData: { module, memory, address } })
      return within('a thread has failed often', new Promise((resolve) => worker.on('exit', resolve)))
    }),
  )
  const guard = new LoginGuard(memory)
  assert.equal(guard.mustWait('ann', '198.51.100.1'), true)
  assert.equal(guard.mustWait('bob', '192.0.2.2'), true)
  assert.equal(guard.mustWait('bob', '192.0.2.4'), false)
  // No count was lost between them: the wait has its full length.
  guard.succeeded('ann')
  assert.equal(guard.mustWait('ann', '198.51.100.1'), false)
})
