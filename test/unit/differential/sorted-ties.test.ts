import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RangeResponse } from '../../../src/wire/gen/rpc.ts'
import { withoutTies } from '../../differential/sorted-ties.ts'
import { bytes, rangeRequest } from '../../support/commands.ts'

/** Pairs named by a letter for the key and a digit for the version. */
const response = (pairs: string, more = false, count = 20n): RangeResponse => ({
  header: undefined,
  kvs: pairs.split(' ').map(([key, version]) => ({
    ...{ key: bytes(key!), value: bytes(''), create_revision: 1n, mod_revision: 1n, lease: 0n },
    version: BigInt(version!),
  })),
  more,
  count,
})
const byVersion = rangeRequest({ key: bytes('a'), range_end: bytes('z'), sort_target: 1 })
const shown = (answer: unknown): string =>
  (answer as RangeResponse).kvs.map(({ key, version }) => `${Buffer.from(key)}${version}`).join(' ')

for (const { name, given, want } of [
  { name: 'pairs of one version are put in order', given: response('c1 a1 b2'), want: 'a1 c1 b2' },
  { name: 'versions stay in their order', given: response('c2 a1 b2'), want: 'c2 a1 b2' },
  { name: 'what a limit cut through is left out', given: response('b1 d2 a2', true), want: 'b1' },
  { name: 'few pairs are compared as they are', given: response('c1 a1', false, 2n), want: 'c1 a1' },
]) {
  test(name, () => assert.equal(shown(withoutTies('Range', byVersion, given)), want))
}
