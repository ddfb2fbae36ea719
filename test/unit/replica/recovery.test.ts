import assert from 'node:assert/strict'
import { test } from 'node:test'
import { InvariantError } from '../../../src/base/assert.ts'
import { memberId } from '../../../src/base/ids.ts'
import type { Entry } from '../../../src/raft/types.ts'
import { recover } from '../../../src/replica/recovery.ts'

const entry = (index: number, term: number): Entry => ({ index, term, type: 'normal', data: new Uint8Array(0) })
const vote = memberId(7n)
const nowhere = { term: 0, index: 0 }

for (const { name, start, entries, term, applied, want } of [
  {
    name: 'a new member',
    start: nowhere,
    entries: [],
    term: 0,
    applied: nowhere,
    want: { start: nowhere, count: 0, term: 0, mustReset: false },
  },
  {
    name: 'the log goes on where the state ends',
    start: nowhere,
    entries: [entry(1, 1), entry(2, 2)],
    term: 2,
    applied: { term: 1, index: 1 },
    want: { start: nowhere, count: 2, term: 2, mustReset: false },
  },
  {
    name: 'a log that was reset and holds nothing yet',
    start: { term: 3, index: 9 },
    entries: [],
    term: 3,
    applied: { term: 3, index: 9 },
    want: { start: { term: 3, index: 9 }, count: 0, term: 3, mustReset: false },
  },
  {
    name: 'the state is ahead of the log: died within an install',
    start: nowhere,
    entries: [entry(1, 1)],
    term: 4,
    applied: { term: 3, index: 9 },
    want: { start: { term: 3, index: 9 }, count: 0, term: 4, mustReset: true },
  },
  {
    name: 'the log is longer, but of another history: died within an install',
    start: nowhere,
    entries: [entry(1, 1), entry(2, 1), entry(3, 1)],
    term: 1,
    applied: { term: 2, index: 2 },
    want: { start: { term: 2, index: 2 }, count: 0, term: 2, mustReset: true },
  },
]) {
  test(`recovery: ${name}`, () => {
    const recovered = recover({ hardState: { term, vote, commit: 0 }, start, entries }, applied)
    const { log, hardState, mustReset } = recovered
    assert.deepEqual({ start: log.start, count: log.entries.length, term: hardState.term, mustReset }, want)
    // A vote counts for its term only.
    assert.equal(hardState.vote, hardState.term === term ? vote : 0n)
  })
}

test('recovery: a log that begins after the state is refused', () => {
  const hardState = { term: 1, vote, commit: 0 }
  const late = { hardState, start: { term: 1, index: 5 }, entries: [] }
  assert.throws(() => recover(late, { term: 1, index: 4 }), InvariantError)
})

test('recovery: a lost log beside a state that has votes behind it is refused', () => {
  const lost = { hardState: { term: 0, vote: memberId(0n), commit: 0 }, start: nowhere, entries: [] }
  assert.throws(() => recover(lost, { term: 1, index: 4 }), /write-ahead log is missing/)
})

test('a commit index is not believed: it may be on disk without the entries that it speaks of', () => {
  const entries = [1, 2, 3].map((index) => ({ index, term: 2, type: 'normal' as const, data: new Uint8Array(0) }))
  const hardState = { term: 3, vote: memberId(0n), commit: 3 }
  const recovered = { hardState, start: { term: 0, index: 0 }, entries }
  assert.equal(recover(recovered, { term: 2, index: 1 }).hardState.commit, 1)
})
