import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createProgress, type Progress, reject } from '../../../src/raft/progress.ts'
import { id } from './make-raft.ts'

for (const { name, have, rejected, hint, news, want } of [
  {
    name: 'while probing, the next probe goes to the hint',
    have: { state: 'probe', match: 0, next: 10 },
    rejected: 9,
    hint: 4,
    news: true,
    want: { state: 'probe', match: 0, next: 5 },
  },
  {
    name: 'while probing, an answer to another probe is old',
    have: { state: 'probe', match: 0, next: 10 },
    rejected: 7,
    hint: 4,
    news: false,
    want: { state: 'probe', match: 0, next: 10 },
  },
  {
    name: 'a hint above the refused entry does not lead forward',
    have: { state: 'probe', match: 0, next: 10 },
    rejected: 9,
    hint: 20,
    news: true,
    want: { state: 'probe', match: 0, next: 9 },
  },
  {
    name: 'a gap while replicating: probe after what is known',
    have: { state: 'replicate', match: 5, next: 10 },
    rejected: 9,
    hint: 6,
    news: true,
    want: { state: 'probe', match: 5, next: 6 },
  },
  {
    name: 'an old refusal while replicating',
    have: { state: 'replicate', match: 5, next: 10 },
    rejected: 4,
    hint: 5,
    news: false,
    want: { state: 'replicate', match: 5, next: 10 },
  },
  {
    name: 'a hint below match asks first whether that is true',
    have: { state: 'replicate', match: 5, next: 10 },
    rejected: 5,
    hint: 0,
    news: true,
    want: { state: 'probe', match: 5, next: 6 },
  },
  {
    name: 'and is believed when the probe after match is refused as well',
    have: { state: 'probe', match: 5, next: 6 },
    rejected: 5,
    hint: 0,
    news: true,
    want: { state: 'probe', match: 0, next: 1 },
  },
  {
    name: 'a snapshot under way is not interrupted',
    have: { state: 'snapshot', match: 5, next: 6 },
    rejected: 5,
    hint: 0,
    news: false,
    want: { state: 'snapshot', match: 5, next: 6 },
  },
] as const) {
  test(`reject: ${name}`, () => {
    const progress: Progress = Object.assign(createProgress(id(2), 1, 8), have)
    assert.equal(reject(progress, rejected, hint), news)
    const { state, match, next } = progress
    assert.deepEqual({ state, match, next }, want)
  })
}
