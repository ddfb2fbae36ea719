import type { Compare, RequestOp, TxnRequest } from '../../src/wire/gen/rpc.ts'
import type { Dice } from '../sim/dice.ts'
import { deleteRequest, putRequest, rangeRequest } from './kv-requests.ts'
import { chosenLease } from './symbols.ts'
import { enumValue, key, keyAndEnd, latin1, none, oddInteger, revisionBound, value } from './values.ts'

/** What a branch may hold without being refused for writing a key twice. */
const distinctKeys = ['a', 'aa', 'ab', 'b', 'c', 'd/e', '\xff'].map(latin1)

const targets = ['version', 'create_revision', 'mod_revision', 'value', 'lease'] as const

function compare(dice: Dice): Compare {
  const range = dice.chance(0.2) ? keyAndEnd(dice) : { key: key(dice), range_end: none }
  const target = enumValue<Compare['target']>(dice, targets.length)
  // Seldom the operand of another target, or none.
  const $case = dice.chance(0.97) ? targets[target] : dice.pick([...targets, undefined])
  const result = enumValue<Compare['result']>(dice, 4)
  const union = (): Compare['target_union'] => {
    switch ($case) {
      case undefined:
        return undefined
      case 'value':
        return { $case, value: value(dice) }
      case 'version':
        return { $case, value: dice.chance(0.05) ? oddInteger(dice) : BigInt(dice.below(4)) }
      case 'lease':
        return { $case, value: leaseOperand(dice, result) }
      default:
        return { $case, value: revisionBound(dice) }
    }
  }
  return { ...range, result, target, target_union: union() }
}

/** Leases that the servers chose are greater at one and less at the other: they are only compared for being the same. */
function leaseOperand(dice: Dice, result: number): bigint {
  const isOrder = result === 1 || result === 2
  if (!isOrder && dice.chance(0.4)) return chosenLease(dice.below(12))
  return dice.chance(0.05) ? oddInteger(dice) : BigInt(dice.below(9))
}

function op(dice: Dice, keyOf: (dice: Dice) => Uint8Array, depth: number): RequestOp {
  const roll = dice.below(100)
  if (roll < 35) return { request: { $case: 'request_range', value: rangeRequest(dice) } }
  if (roll < 75) return { request: { $case: 'request_put', value: putRequest(dice, keyOf) } }
  if (roll < 88) return { request: { $case: 'request_delete_range', value: deleteOf(dice, keyOf) } }
  if (roll < 99 && depth < 4) return { request: { $case: 'request_txn', value: txnRequest(dice, depth + 1) } }
  return roll === 99 && dice.chance(0.3)
    ? { request: undefined }
    : { request: { $case: 'request_put', value: putRequest(dice, keyOf) } }
}

/** Mostly of one key, as most ranges meet a put. */
const deleteOf = (dice: Dice, keyOf: (dice: Dice) => Uint8Array) =>
  dice.chance(0.7) ? { key: keyOf(dice), range_end: none, prev_kv: dice.chance(0.5) } : deleteRequest(dice)

function branch(dice: Dice, depth: number): RequestOp[] {
  const count = dice.pick([0, 1, 1, 2, 2, 3, 4, 5])
  if (dice.chance(0.15)) return Array.from({ length: count }, () => op(dice, key, depth))
  if (dice.chance(0.15)) {
    const range = (): RequestOp => ({ request: { $case: 'request_range', value: rangeRequest(dice) } })
    return Array.from({ length: count }, range)
  }
  const keys = dice.shuffle(distinctKeys)
  return Array.from({ length: count }, () => op(dice, () => keys.pop() ?? key(dice), depth))
}

export function txnRequest(dice: Dice, depth = 0): TxnRequest {
  return {
    compare: Array.from({ length: dice.pick([0, 0, 1, 1, 2, 3]) }, () => compare(dice)),
    success: branch(dice, depth),
    failure: branch(dice, depth),
  }
}

/** At, below or above the most operations, all at one level or divided between two. */
export function crowdedTxn(dice: Dice): TxnRequest {
  const count = dice.pick([127, 128, 128, 129, 200])
  const puts = (n: number, from: number): RequestOp[] =>
    Array.from({ length: n }, (_, i) => ({
      request: {
        $case: 'request_put',
        value: {
          ...putRequest(dice),
          key: latin1(`crowd/${from + i}`),
          lease: 0n,
          ignore_value: false,
          ignore_lease: false,
        },
      },
    }))
  const compares = Array.from({ length: dice.pick([0, 1, count]) }, () => compare(dice))
  if (dice.chance(0.5)) return { compare: compares, success: puts(count, 0), failure: [] }
  const outer = dice.below(count)
  const nested: TxnRequest = { compare: [], success: puts(count - outer, outer), failure: puts(1, 0) }
  return {
    compare: [],
    success: [...puts(Math.max(0, outer - 1), 0), { request: { $case: 'request_txn', value: nested } }],
    failure: [],
  }
}

/** Transactions within transactions, `depth` in all. */
export function deepTxn(dice: Dice, depth: number): TxnRequest {
  let txn = txnRequest(dice, 4)
  for (let level = 1; level < depth; level++) {
    txn = { compare: [], success: [{ request: { $case: 'request_txn', value: txn } }], failure: [] }
  }
  return txn
}
