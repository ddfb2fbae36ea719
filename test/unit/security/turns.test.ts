import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Turns } from '../../../src/security/turns.ts'

test('so many go on at a time, and each source has its turn, whatever becomes of the work', async () => {
  const turns = new Turns(2)
  const order: string[] = []
  let running = 0
  const work = (source: string, name: string): Promise<void> =>
    turns.run(source, async () => {
      order.push(name)
      assert.ok(++running <= 2)
      await null
      running--
      if (name.endsWith('!')) throw new Error(name)
    })
  const flood = ['a1', 'a2', 'a3!', 'a4', 'a5', 'a6'].map((name) => work('a', name))
  const ended = await Promise.allSettled([...flood, work('b', 'b1'), work('c', 'c1!'), work('b', 'b2')])
  assert.deepEqual(order, ['a1', 'a2', 'a3!', 'b1', 'c1!', 'a4', 'b2', 'a5', 'a6'])
  assert.equal(ended.filter(({ status }) => status === 'rejected').length, 2)
  await work('d', 'd1')
  assert.equal(order.at(-1), 'd1')
})
