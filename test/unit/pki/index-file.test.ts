import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IndexEntry } from '../../../src/pki/index-entry.ts'
import { firstCheck, indexLine, parseIndex, salvageIndex } from '../../../src/pki/index-file.ts'

const at = '2026-01-02T03:04:05.678Z'
const entries: IndexEntry[] = [1, 2, 3, 4].map((number) => ({
  event: 'crl',
  at,
  generation: 1,
  number,
  nextUpdate: at,
}))

let before = firstCheck
const lines = entries.map((entry) => {
  const { line, check } = indexLine(entry, before)
  before = check
  return line
})
const text = lines.join('')

test('what was written is read', () => {
  assert.deepEqual(parseIndex(text), { entries, check: before })
  assert.deepEqual(parseIndex(''), { entries: [], check: firstCheck })
})

for (const { name, damaged, line, left } of [
  { name: 'a digit of another line', damaged: text.replace('"number":2', '"number":7'), line: 2, left: [1, 7, 3, 4] },
  { name: 'a line that is gone', damaged: lines.toSpliced(1, 1).join(''), line: 2, left: [1, 3, 4] },
  {
    name: 'a line that is there twice',
    damaged: lines.toSpliced(1, 0, lines[1]!).join(''),
    line: 3,
    left: [1, 2, 2, 3, 4],
  },
  {
    name: 'lines in another order',
    damaged: [lines[1], lines[0], lines[2], lines[3]].join(''),
    line: 1,
    left: [2, 1, 3, 4],
  },
  { name: 'half a line at the end', damaged: text.slice(0, -30), line: 4, left: [1, 2, 3] },
  { name: 'a last line without its end', damaged: text.slice(0, -1), line: 4, left: [1, 2, 3] },
  { name: 'an empty line', damaged: `${lines[0]}\n${lines[1]}`, line: 2, left: [1, 2] },
  { name: 'something else altogether', damaged: 'hello\n', line: 1, left: [] },
  { name: 'an entry without a checksum', damaged: `${JSON.stringify(entries[0])}\n`, line: 1, left: [1] },
])
  test(`damage is found: ${name}`, () => {
    assert.throws(() => parseIndex(damaged), { name: 'PkiError', message: `line ${line} is damaged` })
    const salvaged = salvageIndex(damaged)
    assert.equal(salvaged.damagedLines[0], line)
    assert.deepEqual(
      salvaged.entries.map((entry) => (entry as { number: number }).number),
      left,
    )
  })

test('any one bit that flips is found', () => {
  const bytes = Buffer.from(text)
  for (let at = 0; at < bytes.length; at++)
    for (let bit = 0; bit < 8; bit++) {
      bytes[at]! ^= 1 << bit
      assert.throws(() => parseIndex(bytes.toString('latin1')), { name: 'PkiError' }, `byte ${at}, bit ${bit}`)
      bytes[at]! ^= 1 << bit
    }
})
