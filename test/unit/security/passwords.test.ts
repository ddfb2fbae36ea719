import assert from 'node:assert/strict'
import { test } from 'node:test'
import { limits } from '../../../src/base/limits.ts'
import { FairQueue } from '../../../src/security/fair-queue.ts'
import { Passwords } from '../../../src/security/passwords.ts'
import { cpuMs } from '../../support/cpu-time.ts'

const here = { source: 'here' }

test('passwords are hashed in a thread of their own, salted, and compared', { timeout: 60_000 }, async () => {
  const passwords = new Passwords(4)
  const matches = (password: string, hash: string | null) => passwords.matches(password, hash, here).result
  try {
    const hash = (password: string) => passwords.hash(password, here).result
    const [one, two] = await Promise.all([hash('pass\0word'), hash('pass\0word')])
    assert.notEqual(one, two)
    assert.match(one!, /^\$2[aby]\$04\$/)
    assert.equal(await matches('pass\0word', one), true)
    assert.equal(await matches('pass', one), false)
    assert.equal(await matches('pass\0word', null), false)
    assert.equal(await matches('', null), false)
  } finally {
    await passwords.close()
  }
})

test('a wrong password takes as long as that of nobody, whatever its hash cost when it was made', {
  timeout: 60_000,
}, async () => {
  const hashAt = async (cost: number): Promise<string> => {
    const passwords = new Passwords(cost, 1)
    const hash = await passwords.hash('right', here).result
    await passwords.close()
    return hash!
  }
  const passwords = new Passwords(9, 1)
  const msOf = async (hash: string | null): Promise<number> => {
    const times: number[] = []
    for (let n = 0; n < 3; n++) {
      // By the clock, a thread that gives way to all others waits now and then.
      const begun = cpuMs()
      assert.equal(await passwords.matches('wrong', hash, here).result, false)
      times.push(cpuMs() - begun)
    }
    return Math.min(...times)
  }
  try {
    for (const cost of [4, 11]) {
      const hash = await hashAt(cost)
      const [ofSomebody, ofNobody] = [await msOf(hash), await msOf(null)]
      // Of a hash that costs a fourth, or four times as much, it would be 4 and more.
      const ratio = Math.max(ofSomebody / ofNobody, ofNobody / ofSomebody)
      assert.ok(ratio < 2.5, `cost ${cost}: ${ofSomebody} ms, and ${ofNobody} ms of nobody`)
      assert.equal(await passwords.matches('right', hash, here).result, true)
    }
  } finally {
    await passwords.close()
  }
})

test('a flood has an end, for one address before all others; what is given up goes', { timeout: 60_000 }, async () => {
  const passwords = new Passwords(4, 1)
  const ask = (source: string) => passwords.matches('a', null, { source })
  const first = ask('there')
  const flood = Array.from({ length: limits.passwordsWaitingPerAddressMax }, () => ask('there'))
  assert.equal(passwords.waiting, limits.passwordsWaitingPerAddressMax)
  assert.equal(await ask('there').result, null)
  const other = ask('here')
  for (const { giveUp } of flood.slice(2)) giveUp()
  assert.equal(passwords.waiting, 3)
  assert.equal(await flood.at(-1)!.result, null)
  assert.deepEqual(
    await Promise.all([first, flood[0]!, flood[1]!, other].map(({ result }) => result)),
    Array(4).fill(false),
  )
  assert.equal(passwords.waiting, 0)
  await passwords.close()
})

test('what waits is rejected at the end, and threads come again when they are needed', {
  timeout: 60_000,
}, async () => {
  const passwords = new Passwords(4, 2)
  const lost = Array.from({ length: 5 }, () => passwords.hash('x', here).result)
  const rejected = Promise.all(lost.map((each) => assert.rejects(each)))
  await passwords.close()
  await rejected
  assert.match((await passwords.hash('x', here).result)!, /^\$2/)
  await passwords.close()
})

test('whether it is still wanted is asked after those before it were told', { timeout: 60_000 }, async () => {
  const passwords = new Passwords(4, 1)
  const seen: string[] = []
  const ask = (name: string, isWanted: boolean) =>
    passwords.matches('a', null, {
      source: 'here',
      isWanted: () => {
        seen.push(`${name} wanted`)
        return isWanted
      },
      done: () => seen.push(`${name} done`),
    }).result
  assert.deepEqual(await Promise.all([ask('a', true), ask('b', false), ask('c', true)]), [false, null, false])
  assert.deepEqual(seen, ['a wanted', 'a done', 'b wanted', 'c wanted', 'c done'])
  await passwords.close()
})

test('in a queue each source has its turn', () => {
  const queue = new FairQueue<string>(6, 4)
  for (const [source, item] of [
    ['a', 'a1'],
    ['a', 'a2'],
    ['a', 'a3'],
    ['b', 'b1'],
    ['c', 'c1'],
    ['b', 'b2'],
  ] as const)
    assert.equal(queue.add(source, item), true)
  assert.equal(queue.remove('a', 'a2'), true)
  assert.equal(queue.remove('a', 'a2'), false)
  assert.equal(queue.add('a', 'a4'), true)
  const taken = Array.from({ length: 7 }, () => queue.take())
  assert.deepEqual(taken, ['a1', 'b1', 'c1', 'a3', 'b2', 'a4', null])
})

test('in a full queue those who have most give way to those who have less', () => {
  const queue = new FairQueue<string>(4, 3)
  for (const item of ['a1', 'a2', 'a3']) assert.equal(queue.add('a', item), true)
  assert.equal(queue.add('b', 'b1'), true)
  const gaveWay: string[] = []
  const add = (source: string, item: string) => queue.add(source, item, (other) => gaveWay.push(other))
  assert.equal(add('c', 'c1'), true)
  assert.equal(add('a', 'a4'), false, 'who has most gets no more')
  assert.equal(add('b', 'b2'), false, 'nor who has as much as the others')
  assert.deepEqual(gaveWay, ['a3'])
  assert.equal(queue.size, 4)
  assert.deepEqual(
    Array.from({ length: 5 }, () => queue.take()),
    ['a1', 'b1', 'c1', 'a2', null],
  )
})
