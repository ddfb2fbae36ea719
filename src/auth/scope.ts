import type { KeyRange } from '../base/key-range.ts'
import { limits } from '../base/limits.ts'
import type { Capability } from './built-in-roles.ts'
import { covers, type Interval, mergeRanges } from './intervals.ts'
import { parseRangeSpec, RangeSpecError, rangeSpecOf } from './range-spec.ts'

/** On keys. */
export type RangeVerb = 'read' | 'write'
/** Of methods: leases, those of a capability, and what only root may. */
export type MethodVerb = 'lease' | Capability | 'admin'
export type ScopeVerb = RangeVerb | MethodVerb

const rangeVerbs: ReadonlySet<string> = new Set<RangeVerb>(['read', 'write'])
const methodVerbs: ReadonlySet<string> = new Set<MethodVerb>([
  'lease',
  'monitor',
  'backup',
  'operate',
  'audit',
  'admin',
])

/** One line of a scope. `range` is null exactly if all verbs are of methods. */
export interface ScopeEntry {
  readonly verbs: readonly ScopeVerb[]
  readonly range: KeyRange | null
}

/** The most that a token may do. It only narrows what its user may. */
export interface Scope {
  /** As they were written. */
  readonly entries: readonly ScopeEntry[]
  readonly methods: ReadonlySet<MethodVerb>
  readonly reads: readonly Interval[]
  readonly writes: readonly Interval[]
}

/** What is wrong with a scope, in one line. */
export class ScopeError extends Error {
  override readonly name = 'ScopeError'
}

/** @throws ScopeError if there are none, or too many, or verbs and ranges do not go together. */
export function scopeOf(entries: readonly ScopeEntry[]): Scope {
  if (entries.length === 0) throw new ScopeError('a scope allows something')
  if (entries.length > limits.scopeEntriesMax) {
    throw new ScopeError(`a scope has at most ${limits.scopeEntriesMax} entries`)
  }
  for (const { verbs, range } of entries) {
    if (verbs.length === 0) throw new ScopeError('an entry of a scope needs verbs')
    for (const verb of verbs) {
      if (!rangeVerbs.has(verb) && !methodVerbs.has(verb)) throw new ScopeError(`no such verb: ${quoted(verb)}`)
    }
    const onKeys = verbs.filter((verb) => rangeVerbs.has(verb))
    if (range === null && onKeys.length > 0) throw new ScopeError(`${onKeys.join(' and ')} need a range`)
    if (range !== null && onKeys.length < verbs.length) throw new ScopeError('only read and write have a range')
  }
  const rangesOf = (wanted: RangeVerb): KeyRange[] =>
    entries.flatMap(({ verbs, range }) => (range !== null && verbs.includes(wanted) ? [range] : []))
  return {
    entries,
    methods: new Set(entries.flatMap(({ verbs, range }) => (range === null ? (verbs as MethodVerb[]) : []))),
    reads: mergeRanges(rangesOf('read')),
    writes: mergeRanges(rangesOf('write')),
  }
}

/**
 * @param claim what the JSON of a token has: a list of `{"verbs":["read"],"prefix":"/app/"}`, with a range as in
 *   `RangeSpec`.
 * @throws ScopeError
 */
export function parseScope(claim: unknown): Scope {
  if (!Array.isArray(claim)) throw new ScopeError('a scope is a list')
  if (claim.length > limits.scopeEntriesMax) {
    throw new ScopeError(`a scope has at most ${limits.scopeEntriesMax} entries`)
  }
  return scopeOf(claim.map(parseEntry))
}

function parseEntry(value: unknown): ScopeEntry {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ScopeError('an entry of a scope is an object with verbs')
  }
  const { verbs, ...range } = value as { readonly verbs?: unknown }
  if (!Array.isArray(verbs) || !verbs.every((verb) => typeof verb === 'string')) {
    throw new ScopeError('verbs is not a list of words')
  }
  const unique = [...new Set(verbs)] as ScopeVerb[]
  if (Object.keys(range).length === 0) return { verbs: unique, range: null }
  try {
    return { verbs: unique, range: parseRangeSpec(range) }
  } catch (error) {
    throw error instanceof RangeSpecError ? new ScopeError(error.message) : error
  }
}

/** What `parseScope` reads. */
export const scopeClaim = ({ entries }: Pick<Scope, 'entries'>): object[] =>
  entries.map(({ verbs, range }) => ({ verbs, ...(range === null ? {} : rangeSpecOf(range)) }))

/** Whether all that `inner` allows is allowed by `outer`, too. */
export const scopeCovers = (outer: Scope, inner: Scope): boolean =>
  [...inner.methods].every((verb) => outer.methods.has(verb)) &&
  inner.reads.every((interval) => covers(outer.reads, asRange(interval))) &&
  inner.writes.every((interval) => covers(outer.writes, asRange(interval)))

const asRange = ({ start, end }: Interval): KeyRange => ({ start, end, isPoint: false })

const quoted = (word: string): string => JSON.stringify(word.slice(0, 40))
