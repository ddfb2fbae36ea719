import assert from 'node:assert/strict'
import { beforeEach, test } from 'node:test'
import { memberId, noMember } from '../../../src/base/ids.ts'
import type { Entry } from '../../../src/raft/types.ts'
import { LogSafety } from '../../sim/checkers/log-safety.ts'
import { Violation } from '../../sim/violation.ts'

const a = memberId(1n)
const b = memberId(2n)
const entry = (index: number, term: number, text = ''): Entry => ({
  index,
  term,
  type: 'normal',
  data: Buffer.from(text),
})
const empty = { hardState: { term: 0, vote: noMember, commit: 0 }, start: { term: 0, index: 0 }, entries: [] }
const breaks = (property: string) => (error: unknown) => error instanceof Violation && error.property === property

let committed: Entry[] = []
let safety = new LogSafety(() => {})
beforeEach(() => {
  committed = []
  safety = new LogSafety((entry) => committed.push(entry))
  for (const member of [a, b]) safety.started(member, empty)
})
const append = (member: typeof a, ...entries: Entry[]): void => safety.appended(member, { hardState: null, entries })
const applies = (member: typeof a, term: number, index: number): void => safety.applied(member, 0, index, term)
const leads = (member: typeof a, term: number, commit = 0): void =>
  safety.observed(member, { role: 'leader', term, commit })

test('log safety: a healthy run commits each entry once, in order', () => {
  leads(a, 1)
  append(a, entry(1, 1, 'x'), entry(2, 1, 'y'))
  append(b, entry(1, 1, 'x'), entry(2, 1, 'y'))
  leads(a, 1, 2)
  applies(b, 1, 2)
  assert.deepEqual(
    committed.map((one) => one.index),
    [1, 2],
  )
})

test('log safety: two leaders of one term', () => {
  leads(a, 3)
  assert.throws(() => leads(b, 3), breaks('election safety'))
})

test('log safety: two entries of the same index and term', () => {
  append(a, entry(1, 1, 'x'))
  assert.throws(() => append(b, entry(1, 1, 'y')), breaks('log matching'))
})

test('log safety: the same entry after different ones', () => {
  append(a, entry(1, 1), entry(2, 3))
  assert.throws(() => append(b, entry(1, 2), entry(2, 3)), breaks('log matching'))
})

test('log safety: a leader takes its own entry back', () => {
  leads(a, 1)
  append(a, entry(1, 1), entry(2, 1, 'x'))
  assert.throws(() => append(a, entry(2, 1, 'y')), breaks('leader append-only'))
})

test('log safety: a deposed leader follows the next one', () => {
  leads(a, 1)
  append(a, entry(1, 1), entry(2, 1))
  safety.appended(a, { hardState: { term: 2, vote: b, commit: 0 }, entries: [entry(2, 2)] })
})

test('log safety: a follower may drop what was never committed', () => {
  append(b, entry(1, 1), entry(2, 1))
  append(b, entry(2, 2))
})

test('log safety: a new leader without a committed entry', () => {
  append(a, entry(1, 1))
  leads(a, 1, 1)
  assert.throws(() => leads(b, 2), breaks('leader completeness'))
})

test('log safety: a leader sends something else than what is committed', () => {
  append(a, entry(1, 1))
  leads(a, 1, 1)
  append(b, entry(1, 1))
  leads(b, 2)
  const message = { kind: 2 as const, from: b, to: a, term: 2, index: 0, logTerm: 0, entries: [entry(1, 2)] }
  assert.throws(() => safety.sent(b, message), breaks('leader completeness'))
})

test('log safety: an old leader may still send what it could not commit', () => {
  append(a, entry(1, 2))
  leads(a, 2, 1)
  safety.sent(b, { kind: 2, from: b, to: a, term: 1, index: 0, logTerm: 0, entries: [entry(1, 1)] })
})

test('log safety: two members commit different entries', () => {
  append(a, entry(1, 1))
  applies(a, 1, 1)
  append(b, entry(1, 2))
  assert.throws(() => applies(b, 2, 1), breaks('state machine safety'))
})

test('log safety: a committed entry is replaced', () => {
  append(a, entry(1, 1), entry(2, 1))
  applies(a, 1, 2)
  assert.throws(() => append(a, entry(2, 2)), breaks('state machine safety'))
})

test('log safety: a member applies what it does not have', () => {
  append(a, entry(1, 1))
  assert.throws(() => applies(a, 1, 2), breaks('state machine safety'))
})

test('log safety: a snapshot of what was not committed', () => {
  append(a, entry(1, 1))
  assert.throws(() => safety.resetTo(b, { index: 1, term: 1 }), breaks('state machine safety'))
})

test('log safety: a log goes on after a snapshot', () => {
  append(a, entry(1, 1), entry(2, 1), entry(3, 1))
  applies(a, 1, 3)
  safety.resetTo(b, { index: 2, term: 1 })
  append(b, entry(3, 1))
  applies(b, 1, 3)
  assert.throws(() => append(b, entry(4, 1), entry(6, 1)), breaks('log contract'))
})

test('log safety: a term that never reached the disk may be led again', () => {
  append(a, entry(1, 1), entry(2, 2, 'x'))
  const recovered = { hardState: { term: 1, vote: a, commit: 0 }, start: { term: 0, index: 0 }, entries: [entry(1, 1)] }
  safety.started(a, recovered)
  append(a, entry(2, 2, 'y'))
})

test('log safety: a term that somebody else has seen may not', () => {
  append(a, entry(1, 1), entry(2, 2, 'x'))
  append(b, entry(1, 1), entry(2, 2, 'x'))
  const recovered = { hardState: { term: 1, vote: a, commit: 0 }, start: { term: 0, index: 0 }, entries: [entry(1, 1)] }
  safety.started(a, recovered)
  assert.throws(() => append(a, entry(2, 2, 'y')), breaks('log matching'))
})
