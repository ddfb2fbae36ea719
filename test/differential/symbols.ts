/**
 * Numbers of a request that are only known when it is sent: a lease that a server named, a revision relative to where
 * the store is. They travel through the generator as integers of a band that nothing else uses.
 */
const leaseBand = 1n << 60n
const currentBand = (1n << 60n) + (1n << 41n)
const compactedBand = (1n << 60n) + (1n << 42n)
const half = 1n << 39n

/** The nth lease (from 0) that the servers chose an id for. */
export const chosenLease = (n: number): bigint => leaseBand + BigInt(n)
/** `offset` from the revision before the request. */
export const fromCurrent = (offset: number): bigint => currentBand + BigInt(offset)
/** `offset` from the revision of the last compaction; from 0 if there was none. */
export const fromCompacted = (offset: number): bigint => compactedBand + BigInt(offset)

const within = (value: bigint, band: bigint): boolean => value >= band - half && value < band + half

export interface Meaning {
  /** Of the nth chosen lease at one server. */
  lease(n: number): bigint
  readonly current: number
  readonly compacted: number
}

/** What a symbol that names nothing (any more) stands for: a lease that no one has. */
export const nobodysLease = 0x7abc_def0_1234_5678n

function meaningOf(value: bigint, meaning: Meaning): bigint {
  if (within(value, leaseBand)) return meaning.lease(Number(value - leaseBand))
  if (within(value, currentBand)) return atLeastOne(BigInt(meaning.current) + value - currentBand)
  if (within(value, compactedBand)) return atLeastOne(BigInt(meaning.compacted) + value - compactedBand)
  return value
}

const atLeastOne = (value: bigint): bigint => (value < 1n ? 1n : value)

/** A copy of a message in which every integer has gone through `change`. */
export function mapIntegers<T>(message: T, change: (value: bigint) => bigint): T {
  if (typeof message === 'bigint') return change(message) as T
  if (typeof message !== 'object' || message === null || message instanceof Uint8Array) return message
  if (Array.isArray(message)) return message.map((item) => mapIntegers(item, change)) as T
  return Object.fromEntries(Object.entries(message).map(([name, value]) => [name, mapIntegers(value, change)])) as T
}

export const resolveSymbols = <T>(message: T, meaning: Meaning): T =>
  mapIntegers(message, (value) => meaningOf(value, meaning))

/** As in `lease#2`, `current-3`; other integers as they are. */
export function symbolText(value: bigint): string {
  const signed = (offset: bigint): string => (offset === 0n ? '' : offset > 0n ? `+${offset}` : `${offset}`)
  if (within(value, leaseBand)) return `lease#${value - leaseBand}`
  if (within(value, currentBand)) return `current${signed(value - currentBand)}`
  if (within(value, compactedBand)) return `compacted${signed(value - compactedBand)}`
  return `${value}`
}
