import type { Index } from '../base/ids.ts'

/** The append messages on their way to one follower: a ring of the last index of each, ascending. */
export interface Inflights {
  readonly max: number
  ring: Index[]
  head: number
  count: number
}

export const createInflights = (max: number): Inflights => ({ max, ring: [], head: 0, count: 0 })

export const isFull = (inflights: Inflights): boolean => inflights.count === inflights.max

export function addInflight(inflights: Inflights, last: Index): void {
  if (inflights.count === inflights.ring.length) grow(inflights)
  inflights.ring[(inflights.head + inflights.count) % inflights.ring.length] = last
  inflights.count++
}

// Most followers never need the whole window: it starts small.
function grow(inflights: Inflights): void {
  const { ring, head, count } = inflights
  const next = new Array<Index>(Math.min(inflights.max, Math.max(8, count * 2))).fill(0)
  for (let i = 0; i < count; i++) next[i] = ring[(head + i) % ring.length]!
  inflights.ring = next
  inflights.head = 0
}

/** The follower has everything up to `index`: messages that end there or before have arrived. */
export function freeUpTo(inflights: Inflights, index: Index): void {
  while (inflights.count > 0 && inflights.ring[inflights.head]! <= index) freeFirst(inflights)
}

export function freeFirst(inflights: Inflights): void {
  if (inflights.count === 0) return
  inflights.head = (inflights.head + 1) % inflights.ring.length
  inflights.count--
}

export function clearInflights(inflights: Inflights): void {
  inflights.head = 0
  inflights.count = 0
}
