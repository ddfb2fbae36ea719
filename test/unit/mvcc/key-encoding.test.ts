import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { compareBytes, equalBytes } from '../../../src/base/bytes.ts'
import { leaseId, noLease } from '../../../src/base/ids.ts'
import { rangeContains, rangeFromWire } from '../../../src/base/key-range.ts'
import { getCurrent, putCurrent, removeCurrent } from '../../../src/mvcc/current-record.ts'
import { attach, detach, leaseKeys } from '../../../src/mvcc/lease-attachment.ts'
import { putOld } from '../../../src/mvcc/old-record.ts'
import { countCurrent, scanCurrent } from '../../../src/mvcc/scan-current.ts'
import { scanAt } from '../../../src/mvcc/scan-past.ts'
import { allAtOnce } from '../../../src/mvcc/steps.ts'
import { NaiveView } from '../../support/naive-view.ts'

const unit = fc.constantFrom(0, 0, 1, 0x61, 0xff)
/** Lengths around every limit: of raw keys (1900) and of escaped ones (half of that for all NULs). */
const stem = fc
  .record({
    byte: fc.constantFrom(0, 0x61, 0xff),
    length: fc.constantFrom(0, 0, 1, 946, 947, 948, 949, 950, 951, 1895, 1896, 1897, 1898, 1899, 1900, 1901),
  })
  .map(({ byte, length }) => new Uint8Array(length).fill(byte))
const keys = fc
  .record({ stem, tail: fc.array(unit, { maxLength: 4 }) })
  .map(({ stem, tail }) => Uint8Array.from([...stem, ...tail]))
  .filter((key) => key.length > 0)
const ends = fc.oneof(keys, fc.constant(Uint8Array.of(0)), fc.constant(new Uint8Array(0)))
const sets = fc.uniqueArray(keys, { comparator: equalBytes, maxLength: 30, size: 'max' })

const hex = (key: Uint8Array): string => Buffer.from(key).toString('hex')
const record = { mod: 5, sub: 0, create: 5, version: 1, lease: noLease }

test('current: scans of any range give the keys in order, forwards and backwards', () => {
  fc.assert(
    fc.property(sets, keys, ends, (all, start, end) => {
      const view = new NaiveView()
      for (const key of all) putCurrent(view, key, record)
      const range = rangeFromWire(start, end)
      const expected = all
        .filter((key) => rangeContains(range, key))
        .sort(compareBytes)
        .map(hex)
      assert.deepEqual(
        [...scanCurrent(view, range)].map((row) => hex(row.key)),
        expected,
      )
      assert.deepEqual(
        [...scanCurrent(view, range, true)].map((row) => hex(row.key)),
        expected.toReversed(),
      )
      assert.equal(allAtOnce(countCurrent(view, range)), expected.length)
      for (const key of all) assert.deepEqual(getCurrent(view, key), record)
      for (const key of all) removeCurrent(view, key)
      assert.equal(view.rows('current').length, 0)
    }),
    { numRuns: 500 },
  )
})

test('old: scans at a revision give the newest version of each key in key order', () => {
  fc.assert(
    fc.property(sets, keys, ends, fc.integer({ min: 1, max: 7 }), (all, start, end, at) => {
      const view = new NaiveView()
      // Revisions 2, 4 and 6 of each key; every other key is deleted at 6.
      all.forEach((key, sub) => {
        for (const main of [2, 4, 6]) putOld(view, { key, main, sub, tombstone: main === 6 && sub % 2 === 0 })
      })
      const range = rangeFromWire(start, end)
      const expected = all
        .map((key, sub) => ({ key, mod: at - (at % 2), sub, current: null }))
        .filter(({ key, mod, sub }) => rangeContains(range, key) && mod > 0 && !(mod === 6 && sub % 2 === 0))
        .sort((a, b) => compareBytes(a.key, b.key))
      const plain = (version: { key: Uint8Array; mod: number; sub: number }) =>
        `${hex(version.key)} ${version.mod}/${version.sub}`
      assert.deepEqual(
        [...scanAt(view, range, at)].filter((version) => version !== null).map(plain),
        expected.map(plain),
      )
    }),
    { numRuns: 500 },
  )
})

test('leaseKeys: the keys of one lease, in order', () => {
  fc.assert(
    fc.property(sets, sets, (mine, others) => {
      const view = new NaiveView()
      const id = leaseId(0x7fffffffffffffffn)
      for (const key of mine) attach(view, id, key)
      for (const key of others) attach(view, leaseId(0x7ffffffffffffffen), key)
      for (const key of others) attach(view, leaseId(1n), key)
      assert.deepEqual(leaseKeys(view, id).map(hex), [...mine].sort(compareBytes).map(hex))
      for (const key of mine) detach(view, id, key)
      assert.deepEqual(leaseKeys(view, id), [])
      assert.equal(leaseKeys(view, leaseId(1n)).length, others.length)
    }),
    { numRuns: 200 },
  )
})

test('keys of the largest request size fit', () => {
  const view = new NaiveView()
  const size = 1.5 * 1024 * 1024
  const key = new Uint8Array(size)
  const other = Uint8Array.from(key)
  other[size - 1] = 1
  for (const each of [other, key]) {
    putCurrent(view, each, record)
    putOld(view, { key: each, main: 2, sub: 0, tombstone: false })
  }
  const all = rangeFromWire(Uint8Array.of(0), Uint8Array.of(0))
  assert.deepEqual(
    [...scanCurrent(view, all)].map((row) => row.key[size - 1]),
    [0, 1],
  )
  assert.deepEqual(
    [...scanAt(view, all, 3)].map((row) => row?.key[size - 1]),
    [0, 1],
  )
})
