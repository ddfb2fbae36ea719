import fc from 'fast-check'
import type { Compare, RangeRequest, RequestOp, TxnRequest } from '../../src/wire/gen/rpc.ts'
import { bytes, deleteRequest, putRequest, rangeRequest, txnRequest } from './commands.ts'

const long = 'L'.repeat(1899)

/** Few, so that operations meet; with every shape that a table key treats in its own way. */
export const someKeys: readonly Uint8Array[] = [
  'a',
  'b',
  'b\0',
  'b\0\0',
  'b\0\xff',
  'b\x01',
  'c',
  '\xff',
  '\xff\xff',
  '\0',
  long,
  `${long}\0`,
  `${long}M`,
  `${long}MA`,
  `${long}MB`,
  `${long}MC`,
  `${long}M\0`,
  `${long}\0\0`,
  `${long}N`,
  '\0'.repeat(949),
  '\0'.repeat(950),
  '\0'.repeat(951),
  '\0'.repeat(1901),
  `${'\xff'.repeat(1900)}z`,
].map(bytes)

const often = ['a', 'b', 'c', `${long}MA`, `${long}MB`].map(bytes)
export const key = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...often) },
  { weight: 2, arbitrary: fc.constantFrom(...someKeys) },
)
const rangeEnd = fc.oneof(
  { weight: 3, arbitrary: fc.constant(new Uint8Array(0)) },
  { weight: 1, arbitrary: fc.constant(bytes('\0')) },
  { weight: 3, arbitrary: key },
)
const value = fc.constantFrom('', 'x', 'y', 'zz').map(bytes)
const lease = fc.constantFrom(0n, 0n, 0n, 11n, 12n, 13n)
const revision = fc.oneof({ weight: 2, arbitrary: fc.constant(0n) }, { weight: 3, arbitrary: fc.bigInt(-3n, 30n) })
const bound = fc.oneof({ weight: 4, arbitrary: fc.constant(0n) }, { weight: 1, arbitrary: fc.bigInt(1n, 20n) })

/** Mostly one key or the whole keyspace. */
const keyAndEnd = fc.oneof(
  { weight: 2, arbitrary: fc.constant({ key: bytes('\0'), range_end: bytes('\0') }) },
  { weight: 3, arbitrary: fc.record({ key, range_end: rangeEnd }) },
)

export const rangeRequests: fc.Arbitrary<RangeRequest> = fc
  .record({
    keys: keyAndEnd,
    limit: fc.constantFrom(0n, 0n, 0n, -1n, 1n, 2n, 3n),
    revision,
    sort_order: fc.constantFrom(0, 0, 1, 2),
    sort_target: fc.constantFrom(0, 0, 0, 1, 2, 3, 4),
    keys_only: fc.boolean(),
    count_only: fc.constantFrom(false, false, false, true),
    min_mod_revision: bound,
    max_mod_revision: bound,
    min_create_revision: bound,
    max_create_revision: bound,
  })
  .map(({ keys, ...request }) => rangeRequest({ ...keys, ...request }))

export const putRequests = fc
  .record({ key, value, lease, prev_kv: fc.boolean(), keep: fc.constantFrom('', '', '', 'value', 'lease', 'both') })
  .map(({ keep, ...put }) => {
    const ignore_value = keep === 'value' || keep === 'both'
    const ignore_lease = keep === 'lease' || keep === 'both'
    return putRequest({
      ...put,
      ignore_value,
      ignore_lease,
      ...(ignore_value ? { value: new Uint8Array(0) } : {}),
      ...(ignore_lease ? { lease: 0n } : {}),
    })
  })

export const deleteRequests = fc.record({ key, range_end: rangeEnd, prev_kv: fc.boolean() }).map(deleteRequest)

const compares: fc.Arbitrary<Compare> = fc
  .record({
    key,
    range_end: rangeEnd,
    result: fc.constantFrom(0, 1, 2, 3),
    target: fc.constantFrom(0, 1, 2, 3, 4),
    number: fc.bigInt(0n, 12n),
    value,
  })
  .map(({ number, value, target, ...compare }): Compare => {
    const $case = (['version', 'create_revision', 'mod_revision', 'value', 'lease'] as const)[target]!
    const target_union = $case === 'value' ? { $case, value } : { $case, value: number }
    return { ...compare, target, target_union } as Compare
  })

const { txn } = fc.letrec<{ txn: TxnRequest; op: RequestOp }>((tie) => ({
  op: fc.oneof(
    { maxDepth: 3, withCrossShrink: true },
    putRequests.map((value): RequestOp => ({ request: { $case: 'request_put', value } })),
    rangeRequests.map((value): RequestOp => ({ request: { $case: 'request_range', value } })),
    deleteRequests.map((value): RequestOp => ({ request: { $case: 'request_delete_range', value } })),
    tie('txn').map((value): RequestOp => ({ request: { $case: 'request_txn', value } })),
  ),
  txn: fc
    .record({
      compare: fc.array(compares, { maxLength: 2 }),
      success: fc.array(tie('op'), { maxLength: 4 }),
      failure: fc.array(tie('op'), { maxLength: 4 }),
    })
    .map(txnRequest),
}))

export const txnRequests = txn
