import type { Dice } from '../sim/dice.ts'
import { chosenLease, fromCompacted, fromCurrent } from './symbols.ts'

/** Not a Buffer, whose slices share its memory. */
export const latin1 = (text: string): Uint8Array => Uint8Array.from(Buffer.from(text, 'latin1'))
export const none: Uint8Array = new Uint8Array(0)
export const nul: Uint8Array = Uint8Array.of(0)

const long = 'L'.repeat(1899)
const often = ['a', 'aa', 'ab', 'b', 'c'].map(latin1)
/** Few, so that requests meet; all that a table might treat in a way of its own. */
const seldom = [
  ...['\0', '\0\0', 'a\0', 'a\0\xff', 'b\x01', 'd/e', '\xfe', '\xff', '\xff\xff', 'a\xff\xff'],
  ...[
    long,
    `${long}\0`,
    `${long}M`,
    `${long}MA`,
    `${long}MB`,
    `${long}\0\0`,
    '\0'.repeat(951),
    `${'\xff'.repeat(1900)}z`,
  ],
].map(latin1)
const values = ['', 'x', 'y', 'zz', '\0', '\xff\xfe'].map(latin1)

const mebibyte = 1024 * 1024
/** Bytes of a whole request above which it is refused; what is nearer to it than `sizeMargin` is not asked. */
export const requestBytesMax = 1.5 * mebibyte
const sizeMargin = 512

const int64Max = 2n ** 63n - 1n
const oddIntegers = [
  -1n,
  -2n,
  int64Max,
  int64Max - 2n,
  -int64Max - 1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n + 1n,
  -(2n ** 53n),
]

export const oddInteger = (dice: Dice): bigint => dice.pick(oddIntegers)

export function key(dice: Dice): Uint8Array {
  if (dice.chance(0.75)) return dice.pick(often)
  if (dice.chance(0.04)) return none
  return dice.pick(seldom)
}

export const presentKey = (dice: Dice): Uint8Array => (dice.chance(0.8) ? dice.pick(often) : dice.pick(seldom))

/** A key of a mebibyte. */
export const hugeKey = (dice: Dice): Uint8Array => new Uint8Array(mebibyte).fill(dice.pick([0, 0x61, 0xff]))

/** A key with the end of its range: a point, a range, a prefix, open, everything, nothing. */
export function keyAndEnd(dice: Dice): { key: Uint8Array; range_end: Uint8Array } {
  const start = key(dice)
  const roll = dice.below(10)
  if (roll < 4) return { key: start, range_end: none }
  if (roll < 6) return { key: start, range_end: prefixEnd(start) }
  if (roll < 7) return { key: start, range_end: nul }
  if (roll < 8) return { key: nul, range_end: nul }
  return { key: start, range_end: presentKey(dice) }
}

/** As clients make it: all keys, if there is no end. */
function prefixEnd(prefix: Uint8Array): Uint8Array {
  for (let i = prefix.length - 1; i >= 0; i--) {
    if (prefix[i] === 0xff) continue
    const end = prefix.slice(0, i + 1)
    end[i]!++
    return end
  }
  return nul
}

export const value = (dice: Dice): Uint8Array => dice.pick(values)

/** Near the largest request, above it, or above the largest message. */
export function hugeValue(dice: Dice): Uint8Array {
  const size = dice.pick([
    requestBytesMax - 2 * sizeMargin,
    requestBytesMax + sizeMargin,
    2 * mebibyte + sizeMargin,
    mebibyte,
  ])
  return new Uint8Array(size).fill(0x76)
}

/** Leases of both kinds, mostly such as may exist. */
export function lease(dice: Dice): bigint {
  const roll = dice.below(20)
  if (roll < 9) return BigInt(1 + dice.below(8))
  if (roll < 18) return chosenLease(dice.below(12))
  return roll < 19 ? int64Max : oddInteger(dice)
}

/** The ids that a client may choose itself: the same few again and again. */
export const ownLease = (dice: Dice): bigint => (dice.chance(0.95) ? BigInt(1 + dice.below(8)) : oddInteger(dice))

/** A revision to read at or to start from: mostly one that can be read. */
export function revision(dice: Dice): bigint {
  const roll = dice.below(20)
  if (roll < 12) return fromCurrent(-dice.below(25))
  if (roll < 15) return fromCompacted(dice.below(4) - 1)
  if (roll < 17) return fromCurrent(1 + dice.below(3))
  if (roll < 19) return BigInt(1 + dice.below(5))
  return oddInteger(dice)
}

/** A bound on revisions, for filters and compares. */
export function revisionBound(dice: Dice): bigint {
  if (dice.chance(0.05)) return oddInteger(dice)
  return dice.chance(0.1) ? 0n : fromCurrent(-dice.below(30))
}

/** One of the `known` values of an enum (0 to known - 1), seldom another. */
export function enumValue<T extends number>(dice: Dice, known: number): T {
  if (dice.chance(0.99)) return dice.below(known) as T
  return dice.pick([known, known + 1, 99, -1, 2 ** 31 - 1, -(2 ** 31)]) as T
}
