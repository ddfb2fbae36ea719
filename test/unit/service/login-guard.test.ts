import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { limits } from '../../../src/base/limits.ts'
import { LoginGuard, type LoginPlace } from '../../../src/service/login-guard.ts'
import { within } from '../../support/within.ts'

const at = (address: string, certificate: string | null = null): LoginPlace => ({ address, certificate })
const guardAt = (nowMs: () => number): LoginGuard => new LoginGuard(LoginGuard.memory(), nowMs)

test('after some failures each next attempt of a user waits twice as long, up to a bound', () => {
  let now = 1
  const guard = guardAt(() => now)
  const waitMs = (): number => {
    const start = now
    while (guard.mustWait('ann', at('here'))) now += 50
    return now - start
  }
  for (let n = 0; n < 10; n++) {
    assert.equal(guard.mustWait('ann', at('here')), false)
    guard.failed('ann', at(`address ${n}`))
  }
  const waits: number[] = []
  for (let n = 0; n < 8; n++) {
    waits.push(waitMs())
    guard.failed('ann', at(`address ${n}`))
  }
  assert.deepEqual(waits, [100, 200, 400, 800, 1600, 3200, 5000, 5000])
  assert.equal(guard.mustWait('bob', at('here')), false, 'others go on')
  guard.succeeded('ann', at('elsewhere'))
  assert.equal(guard.mustWait('ann', at('here')), false)
})

test('an address that fails in many names has to wait, whatever the name', () => {
  let now = 1
  const guard = guardAt(() => now)
  for (let n = 0; n < 100; n++) guard.failed(`user ${n}`, at('there'))
  assert.equal(guard.mustWait('new', at('there')), true)
  assert.equal(guard.mustWait('new', at('here')), false)
  now += 11 * 60 * 1000
  assert.equal(guard.mustWait('new', at('there')), false)
  guard.failed('new', at('there'))
  assert.equal(guard.mustWait('new', at('there')), false, 'long ago is forgotten')
})

test('of IPv6 the network counts, of IPv4 the address, in whichever form', () => {
  const guard = guardAt(() => 1)
  for (let n = 0; n < 50; n++) {
    guard.failed(`a${n}`, at(`2001:db8:1:2::${n.toString(16)}`))
    guard.failed(`b${n}`, at(`2001:db8:1:2:ffff:${n.toString(16)}:1:1`))
    guard.failed(`c${n}`, at('::ffff:192.0.2.1'))
  }
  assert.equal(guard.mustWait('new', at('2001:db8:1:2:3:4:5:6')), true)
  assert.equal(guard.mustWait('new', at('2001:db8:1:3::1')), false)
  assert.equal(guard.mustWait('new', at('::ffff:192.0.2.1')), false)
  for (let n = 0; n < 50; n++) guard.failed(`d${n}`, at('::ffff:192.0.2.1'))
  assert.equal(guard.mustWait('new', at('::ffff:192.0.2.1')), true)
  assert.equal(guard.mustWait('new', at('::ffff:192.0.2.2')), false)
})

test('what is remembered has a fixed size: of those who share a place the ones that failed longest ago are forgotten', () => {
  let now = 1
  const guard = guardAt(() => now)
  for (let n = 0; n < 11; n++) guard.failed('ann', at(`a${n}`))
  for (let n = 0; n < 20 * limits.loginFailuresRememberedMax; n++) {
    now++
    guard.failed(`user ${n}`, at(''))
  }
  for (let n = 0; n < 11; n++) guard.failed('bob', at(`a${n}`))
  assert.equal(guard.mustWait('ann', at('x')), false)
  assert.equal(guard.mustWait('bob', at('x')), true)
})

test('all threads of a member count together, and a thread that ends takes nothing along', {
  timeout: 60_000,
}, async () => {
  const memory = LoginGuard.memory()
  const failing = `
    const { workerData } = require('node:worker_threads')
    import(workerData.module).then(({ LoginGuard }) => {
      const guard = new LoginGuard(workerData.memory)
      for (let n = 0; n < 200; n++) guard.failed('ann', { address: workerData.address, certificate: null })
    })`
  const module = new URL('../../../src/service/login-guard.ts', import.meta.url).href
  await Promise.all(
    ['192.0.2.1', '192.0.2.2', '192.0.2.3'].map((address) => {
      const worker = new Worker(failing, { eval: true, workerData: { module, memory, address } })
      return within('a thread has failed often', new Promise((resolve) => worker.on('exit', resolve)))
    }),
  )
  const guard = new LoginGuard(memory)
  assert.equal(guard.mustWait('ann', at('198.51.100.1')), true)
  assert.equal(guard.mustWait('bob', at('192.0.2.2')), true)
  assert.equal(guard.mustWait('bob', at('192.0.2.4')), false)
  // No count was lost between them: the wait has its full length.
  guard.succeeded('ann', at('elsewhere'))
  assert.equal(guard.mustWait('ann', at('198.51.100.1')), false)
})

test('who fails in the name of a user shuts it out of no place where it has logged in', () => {
  let now = 1
  const guard = guardAt(() => now)
  const home = at('192.0.2.1', 'own')
  const failALot = (place: LoginPlace): void => {
    for (let n = 0; n < 200; n++) guard.failed('ann', place)
  }
  guard.succeeded('ann', home)
  failALot(at('198.51.100.1', 'other'))
  // From behind the same address, too.
  failALot(at('192.0.2.1', 'other'))
  failALot(at('192.0.2.1'))
  assert.equal(guard.mustWait('ann', home), false)
  for (const place of [at('192.0.2.1', 'other'), at('192.0.2.1'), at('192.0.2.2', 'own')]) {
    assert.equal(guard.mustWait('ann', place), true, JSON.stringify(place))
  }
  guard.succeeded('ann', home)
  assert.equal(guard.mustWait('ann', at('192.0.2.2', 'own')), true, 'its logins give nobody else more tries')
  // What fails at that place counts there, as it would elsewhere.
  for (let n = 0; n < 9; n++) guard.failed('ann', home)
  assert.equal(guard.mustWait('ann', home), false)
  guard.failed('ann', home)
  assert.equal(guard.mustWait('ann', home), true)
  now += 100
  assert.equal(guard.mustWait('ann', home), false)
  guard.succeeded('ann', home)
  guard.failed('ann', home)
  assert.equal(guard.mustWait('ann', home), false, 'a login there ends the wait there')
  now += 31 * 24 * 60 * 60 * 1000
  failALot(at('198.51.100.1', 'other'))
  assert.equal(guard.mustWait('ann', home), true, 'long ago is forgotten')
})
