import { unreachable } from '../base/assert.ts'
import { compareBytes, emptyBytes } from '../base/bytes.ts'
import { rangeFromWire } from '../base/key-range.ts'
import { type CurrentRecord, decodeCurrent, getCurrentBytes } from '../mvcc/current-record.ts'
import { scanCurrent } from '../mvcc/scan-current.ts'
import { Pace, type Steps } from '../mvcc/steps.ts'
import type { ReadView } from '../mvcc/view.ts'
import { storedKeyValueField } from '../mvcc/write.ts'
import { type Compare, Compare_CompareResult, Compare_CompareTarget } from '../wire/gen/rpc.ts'
import { keyValueOfField, parseKeyValue } from '../wire/key-value.ts'

/**
 * Whether a compare of a transaction holds for every key in its range. Where there is no key, its value compares to
 * nothing, not even unequal; everything else compares as 0.
 */
export function* holds(view: ReadView, compare: Compare): Steps<boolean> {
  if (compare.range_end.length === 0) {
    const record = getCurrentBytes(view, compare.key)
    return record === undefined ? holdsForNothing(compare) : holdsFor(view, compare, decodeCurrent(record))
  }
  let found = false
  const pace = new Pace()
  for (const { record } of scanCurrent(view, rangeFromWire(compare.key, compare.range_end))) {
    found = true
    if (!holdsFor(view, compare, decodeCurrent(record))) return false
    if (pace.isOver(record.length, 0)) yield pace.next()
  }
  return found || holdsForNothing(compare)
}

const holdsForNothing = (compare: Compare): boolean =>
  compare.target !== Compare_CompareTarget.VALUE && satisfies(compare, signOf(0n, wanted(compare)))

function holdsFor(view: ReadView, compare: Compare, record: CurrentRecord): boolean {
  if (compare.target === Compare_CompareTarget.VALUE) {
    const { value } = parseKeyValue(keyValueOfField(storedKeyValueField(view, record)))
    const want = compare.target_union?.$case === 'value' ? compare.target_union.value : emptyBytes
    return satisfies(compare, compareBytes(value, want))
  }
  return satisfies(compare, signOf(actual(compare.target, record), wanted(compare)))
}

function actual(target: Exclude<Compare_CompareTarget, Compare_CompareTarget.VALUE>, record: CurrentRecord): bigint {
  switch (target) {
    case Compare_CompareTarget.VERSION:
      return BigInt(record.version)
    case Compare_CompareTarget.CREATE:
      return BigInt(record.create)
    case Compare_CompareTarget.MOD:
      return BigInt(record.mod)
    case Compare_CompareTarget.LEASE:
      return record.lease
    default:
      return unreachable(target, 'compare target')
  }
}

/** The number to compare with. One that belongs to another target than the compare's counts as not given: 0, as in etcd. */
function wanted({ target, target_union: union }: Compare): bigint {
  if (union === undefined || union.$case === 'value') return 0n
  return union.$case === unionOf[target] ? union.value : 0n
}

const unionOf = {
  [Compare_CompareTarget.VERSION]: 'version',
  [Compare_CompareTarget.CREATE]: 'create_revision',
  [Compare_CompareTarget.MOD]: 'mod_revision',
  [Compare_CompareTarget.VALUE]: 'value',
  [Compare_CompareTarget.LEASE]: 'lease',
} as const

const signOf = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)

function satisfies({ result }: Compare, sign: number): boolean {
  switch (result) {
    case Compare_CompareResult.EQUAL:
      return sign === 0
    case Compare_CompareResult.NOT_EQUAL:
      return sign !== 0
    case Compare_CompareResult.GREATER:
      return sign > 0
    case Compare_CompareResult.LESS:
      return sign < 0
    default:
      return unreachable(result, 'compare result')
  }
}
