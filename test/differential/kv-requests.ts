import type { DeleteRangeRequest, PutRequest, RangeRequest } from '../../src/wire/gen/rpc.ts'
import type { Dice } from '../sim/dice.ts'
import type { Call } from './step.ts'
import { fromCompacted, fromCurrent } from './symbols.ts'
import {
  enumValue,
  hugeKey,
  hugeValue,
  key,
  keyAndEnd,
  lease,
  none,
  oddInteger,
  presentKey,
  revision,
  revisionBound,
  value,
} from './values.ts'

export function rangeRequest(dice: Dice): RangeRequest {
  const bound = (): bigint => (dice.chance(0.08) ? revisionBound(dice) : 0n)
  return {
    ...(dice.chance(0.002) ? { key: hugeKey(dice), range_end: none } : keyAndEnd(dice)),
    limit: dice.chance(0.3) ? (dice.chance(0.1) ? oddInteger(dice) : BigInt(dice.below(5))) : 0n,
    revision: dice.chance(0.35) ? revision(dice) : 0n,
    sort_order: dice.chance(0.4) ? enumValue(dice, 3) : 0,
    sort_target: dice.chance(0.4) ? enumValue(dice, 5) : 0,
    serializable: dice.chance(0.3),
    keys_only: dice.chance(0.1),
    count_only: dice.chance(0.1),
    min_mod_revision: bound(),
    max_mod_revision: bound(),
    min_create_revision: bound(),
    max_create_revision: bound(),
  }
}

export function putRequest(dice: Dice, keyOf: (dice: Dice) => Uint8Array = key): PutRequest {
  const ignoreValue = dice.chance(0.12)
  const ignoreLease = dice.chance(0.12)
  return {
    key: keyOf(dice),
    value: ignoreValue && dice.chance(0.8) ? none : value(dice),
    lease: ignoreLease && dice.chance(0.8) ? 0n : dice.chance(0.3) ? lease(dice) : 0n,
    prev_kv: dice.chance(0.3),
    ignore_value: ignoreValue,
    ignore_lease: ignoreLease,
  }
}

export const deleteRequest = (dice: Dice): DeleteRangeRequest => ({ ...keyAndEnd(dice), prev_kv: dice.chance(0.4) })

/** A put of a mebibyte or more, and the end of what it leaves behind. */
export function hugePut(dice: Dice): Call[] {
  const put = putRequest(dice, presentKey)
  const huge = dice.chance(0.2)
    ? { ...put, key: hugeKey(dice) }
    : { ...put, value: hugeValue(dice), ignore_value: false }
  return [
    { kind: 'call', method: 'Put', message: huge },
    { kind: 'call', method: 'DeleteRange', message: { key: huge.key, range_end: none, prev_kv: false } },
  ]
}

export function compactRequest(dice: Dice): Call {
  const roll = dice.below(20)
  const at =
    roll < 12
      ? fromCurrent(-dice.below(20))
      : roll < 15
        ? fromCompacted(dice.below(4) - 1)
        : roll < 17
          ? fromCurrent(1 + dice.below(3))
          : roll < 19
            ? BigInt(dice.below(3))
            : oddInteger(dice)
  return { kind: 'call', method: 'Compact', message: { revision: at, physical: dice.chance(0.3) } }
}
