/** A range as requests have it. `end`: empty for one key, NUL for all keys from `key` on, else the first key after it. */
export interface WireRange {
  readonly key: string
  readonly end: string
}

const toTheEnd = '\0'
const letters = ['a', 'aa', 'b', 'c', 'd']

/** Where ranges begin and end, and the single keys that are asked for and granted. */
export const namedKeys: readonly string[] = [toTheEnd, ...letters.flatMap((key) => [key, `${key}\0`])]

/**
 * All the keys there are: the named ones, and after each the next one there is, where a range of it alone ends. So no range
 * begins or ends between two neighbours, and the keys that are left out can never be told from the one before them.
 */
export const allKeys: readonly string[] = [...new Set(namedKeys.flatMap((key) => [key, `${key}\0`]))].sort()

/** Code units are bytes here: the alphabet is ASCII. */
export function hasKey({ key: first, end }: WireRange, key: string): boolean {
  if (end === '') return key === first
  return key >= first && (end === toTheEnd || key < end)
}

/** None for a range that ends before it begins. */
export const keysOf = (range: WireRange): string[] => allKeys.filter((key) => hasKey(range, key))

const firsts = [...letters, 'a\0', 'b\0']

/** Single keys, ranges, prefixes, the rest from a key on, and everything. */
export const ranges: readonly WireRange[] = [
  ...namedKeys.map((key) => ({ key, end: '' })),
  ...firsts.flatMap((key) => [...letters, 'a\0', 'c\0'].filter((end) => end > key).map((end) => ({ key, end }))),
  ...firsts.map((key) => ({ key, end: toTheEnd })),
  { key: toTheEnd, end: toTheEnd },
]

/** With no key in them. */
export const emptyRanges: readonly WireRange[] = [
  { key: 'c', end: 'a' },
  { key: 'b', end: 'b' },
  { key: 'a\0', end: 'a' },
]

const shown = (key: string): string => JSON.stringify(key).slice(1, -1).replaceAll('\\u0000', '\\0')

export function describeRange({ key, end }: WireRange): string {
  if (end === '') return shown(key)
  return `[${shown(key)}, ${end === toTheEnd ? 'end' : shown(end)})`
}
