import assert from 'node:assert/strict'
import { test } from 'node:test'
import { seededRandom } from '../../../src/base/random.ts'
import {
  addInflight,
  clearInflights,
  createInflights,
  freeFirst,
  freeUpTo,
  isFull,
} from '../../../src/raft/inflights.ts'

const seed = Number(process.env.SEED ?? Math.floor(performance.now() * 1000))

test(`the ring of appends in flight behaves like a plain list (SEED=${seed})`, () => {
  const random = seededRandom(seed)
  for (const max of [1, 3, 8, 20]) {
    const ring = createInflights(max)
    let list: number[] = []
    let last = 0
    for (let i = 0; i < 2000; i++) {
      const dice = random.below(20)
      if (dice < 12 && list.length < max) {
        last += 1 + random.below(3)
        addInflight(ring, last)
        list.push(last)
      } else if (dice < 17) {
        const index = last - random.below(max * 3)
        freeUpTo(ring, index)
        list = list.filter((one) => one > index)
      } else if (dice < 19) {
        freeFirst(ring)
        list.shift()
      } else if (random.below(10) === 0) {
        clearInflights(ring)
        list = []
      }
      assert.equal(ring.count, list.length)
      assert.equal(isFull(ring), list.length === max)
      if (list.length > 0) assert.equal(ring.ring[ring.head], list[0])
    }
  }
})
