import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  chosenLease,
  fromCompacted,
  fromCurrent,
  type Meaning,
  resolveSymbols,
  symbolText,
} from '../../differential/symbols.ts'

const meaning: Meaning = { lease: (n) => 100n + BigInt(n), current: 20, compacted: 5 }

for (const { symbol, means, text } of [
  { symbol: chosenLease(3), means: 103n, text: 'lease#3' },
  { symbol: fromCurrent(0), means: 20n, text: 'current' },
  { symbol: fromCurrent(-4), means: 16n, text: 'current-4' },
  { symbol: fromCurrent(2), means: 22n, text: 'current+2' },
  { symbol: fromCurrent(-40), means: 1n, text: 'current-40' },
  { symbol: fromCompacted(-1), means: 4n, text: 'compacted-1' },
  { symbol: 2n ** 63n - 1n, means: 2n ** 63n - 1n, text: '9223372036854775807' },
  { symbol: -(2n ** 63n), means: -(2n ** 63n), text: '-9223372036854775808' },
]) {
  test(`${text} at revision 20, compacted at 5`, () => {
    const message = { list: [{ symbol }], bytes: Uint8Array.of(1) }
    assert.deepEqual(resolveSymbols(message, meaning), { list: [{ symbol: means }], bytes: Uint8Array.of(1) })
    assert.equal(symbolText(symbol), text)
  })
}
