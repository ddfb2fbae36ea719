import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError } from '../../../src/base/assert.ts'
import { seededRandom } from '../../../src/base/random.ts'
import {
  acknowledgeWrite,
  agreementCandidate,
  batchAfter,
  commitTo,
  compact,
  createLog,
  entriesBetween,
  lastConfChange,
  merge,
  nextConfChange,
  type RaftLog,
  restore,
  restored,
  takeCommitted,
  takeWrites,
  termAt,
} from '../../../src/raft/log.ts'
import { entriesOf, termsOf } from './make-raft.ts'

const seed = Number(process.env.SEED ?? Math.floor(performance.now() * 1000))
const origin = { term: 0, index: 0 }

const logOf = (terms: string, commit = 0, applied = 0): RaftLog => createLog(origin, entriesOf(terms), commit, applied)
const contents = (log: RaftLog): string => termsOf(entriesBetween(log, log.start.index, log.lastIndex))

for (const { name, have, prev, entries, want } of [
  { name: 'appends at the end', have: '1 1', prev: 2, entries: '2', want: '1 1 2' },
  { name: 'leaves what is there already', have: '1 1 2', prev: 1, entries: '1', want: '1 1 2' },
  { name: 'replaces from the first difference on', have: '1 1 1 1', prev: 1, entries: '1 2', want: '1 1 2' },
  { name: 'replaces everything', have: '1 1', prev: 0, entries: '2', want: '2' },
  { name: 'takes nothing from an empty append', have: '1 1', prev: 1, entries: '', want: '1 1' },
]) {
  test(`merge: ${name}`, () => {
    const log = logOf(have)
    merge(log, prev, entriesOf(entries, prev + 1))
    assert.equal(contents(log), want)
    assert.equal(log.lastTerm, termAt(log, log.lastIndex))
  })
}

test('merge never replaces a committed entry', () => {
  const log = logOf('1 1 1', 2)
  assert.throws(() => merge(log, 1, entriesOf('2', 2)), InvariantError)
})

for (const { name, have, index, term, want } of [
  { name: 'the entry itself if its term is not above', have: '1 2 2', index: 3, term: 2, want: '3/2' },
  { name: 'below all entries of higher terms', have: '1 3 3 3', index: 4, term: 2, want: '1/1' },
  { name: 'the end of a shorter log', have: '1 1', index: 9, term: 5, want: '2/1' },
  { name: 'nothing in common', have: '3 3', index: 2, term: 1, want: '0/0' },
]) {
  test(`agreementCandidate: ${name}`, () => {
    const at = agreementCandidate(logOf(have), index, term)
    assert.equal(`${at.index}/${at.term}`, want)
  })
}

test('agreementCandidate stops where the log is compacted', () => {
  const log = logOf('3 3 3', 3, 3)
  compact(log, 2)
  assert.deepEqual(agreementCandidate(log, 1, 1), { term: 0, index: 1 })
})

test('entries reach the state machine once, and only what is committed and on disk', () => {
  const log = logOf('')
  merge(log, 0, entriesOf('1 1 1'))
  commitTo(log, 2)
  assert.equal(takeCommitted(log).length, 0)
  takeWrites(log)
  acknowledgeWrite(log, { term: 1, index: 1 })
  assert.deepEqual(
    takeCommitted(log).map(({ index }) => index),
    [1],
  )
  acknowledgeWrite(log, { term: 1, index: 3 })
  assert.deepEqual(
    takeCommitted(log).map(({ index }) => index),
    [2],
  )
  assert.equal(takeCommitted(log).length, 0)
})

test('an acknowledgement of a write whose entries were replaced meanwhile counts for the part that is left', () => {
  const log = logOf('')
  merge(log, 0, entriesOf('1 1 1'))
  takeWrites(log)
  merge(log, 1, entriesOf('2 2', 2))
  takeWrites(log)
  assert.equal(log.stable, 0)
  assert(acknowledgeWrite(log, { term: 1, index: 3 }))
  assert.equal(log.stable, 1)
  assert(acknowledgeWrite(log, { term: 2, index: 3 }))
  assert.equal(log.stable, 3)
})

test('an entry that was replaced and came back is durable only when its second write is', () => {
  const log = logOf('')
  const first = entriesOf('1 1 1')
  merge(log, 0, first)
  takeWrites(log)
  merge(log, 1, entriesOf('2', 2))
  takeWrites(log)
  merge(log, 1, [...first.slice(1), { ...first[2]!, index: 4, term: 3 }])
  takeWrites(log)
  acknowledgeWrite(log, { term: 1, index: 3 })
  assert.equal(log.stable, 1)
  acknowledgeWrite(log, { term: 2, index: 2 })
  assert.equal(log.stable, 1)
  acknowledgeWrite(log, { term: 3, index: 4 })
  assert.equal(log.stable, 4)
})

test('writes that were merged into one are acknowledged by the last', () => {
  const log = logOf('')
  merge(log, 0, entriesOf('1 1'))
  takeWrites(log)
  merge(log, 2, entriesOf('1 1', 3))
  takeWrites(log)
  assert(acknowledgeWrite(log, { term: 1, index: 4 }))
  assert.equal(log.stable, 4)
  assert.equal(acknowledgeWrite(log, { term: 1, index: 4 }), false)
})

test('a write from before a snapshot says nothing about the log after it', () => {
  const log = logOf('')
  merge(log, 0, entriesOf('1 1 1 1'))
  takeWrites(log)
  restore(log, { term: 2, index: 2 })
  merge(log, 2, entriesOf('2', 3))
  takeWrites(log)
  assert.equal(acknowledgeWrite(log, { term: 1, index: 4 }), false)
  assert.equal(log.stable, 2)
  restored(log, 2)
  assert(acknowledgeWrite(log, { term: 2, index: 3 }))
  assert.equal(log.stable, 3)
})

test('a batch keeps to its size, but always holds an entry', () => {
  const log = logOf('1 1 1 1')
  assert.equal(batchAfter(log, 0, 64).length, 2)
  assert.equal(batchAfter(log, 3, 64).length, 1)
  assert.equal(batchAfter(log, 1, 1).length, 1)
  assert.equal(batchAfter(log, 4, 64).length, 0)
})

test('configuration changes are found from both ends', () => {
  const log = logOf('1 1c 1 1c 1')
  assert.equal(nextConfChange(log, 0, 5), 2)
  assert.equal(nextConfChange(log, 2, 5), 4)
  assert.equal(nextConfChange(log, 4, 5), null)
  assert.equal(lastConfChange(log, 0, 5), 4)
  assert.equal(lastConfChange(log, 0, 3), 2)
  assert.equal(lastConfChange(log, 2, 3), null)
})

test('a commit mark beyond what a torn write left is lowered, an applied mark beyond it is damage', () => {
  assert.equal(logOf('1 1', 5).commit, 2)
  assert.equal(logOf('1 1', 0, 1).commit, 1)
  assert.throws(() => logOf('1 1', 5, 3), InvariantError)
  assert.throws(() => createLog(origin, entriesOf('1', 2), 0, 0), InvariantError)
})

test(`the log behaves like a plain list under random work (SEED=${seed})`, () => {
  const random = seededRandom(seed)
  for (let run = 0; run < 50; run++) {
    const log = logOf('')
    let list: number[] = []
    let start = 0
    for (let term = 1; term < 200; term++) {
      const prev = log.commit + random.below(list.length - log.commit + 1)
      const added = Array.from({ length: random.below(8) }, () => term)
      merge(log, prev, entriesOf(added.join(' '), prev + 1))
      if (added.length > 0) list = [...list.slice(0, prev), ...added]
      takeWrites(log)
      for (const { entries } of [...log.writes]) acknowledgeWrite(log, entries.at(-1)!)
      assert.equal(log.stable, list.length)
      commitTo(log, log.commit + random.below(list.length - log.commit + 1))
      const delivered = log.delivered
      assert.deepEqual(
        takeCommitted(log).map((entry) => entry.term),
        list.slice(delivered, log.commit),
      )
      log.applied = log.delivered
      if (random.below(3) === 0) {
        const index = start + random.below(log.applied - start + 1)
        compact(log, index)
        // Right after it: a tail that is cut off later leaves the dead slots as they are.
        if (index > start) assert(log.entries.length <= 2 * (log.lastIndex - index) + 2)
        start = index
      }
      assert.equal(log.lastIndex, list.length)
      for (let index = 1; index <= list.length + 1; index++) {
        const want = index < start || index > list.length ? -1 : list[index - 1]
        assert.equal(termAt(log, index), want)
      }
    }
    assert(start > 0)
  }
})
