import { rangeFromWire } from '../base/key-range.ts'
import type { ScopeEntry as WireScopeEntry } from '../wire/gen/leasehold.ts'
import { wireRangeOf } from './range-spec.ts'
import type { ScopeEntry, ScopeVerb } from './scope.ts'

/** A line of a scope as a message has it: without a key there is no range. Whether it makes sense is for `scopeOf` to say. */
export const scopeEntryOfWire = ({ verbs, key, range_end }: WireScopeEntry): ScopeEntry => ({
  verbs: [...new Set(verbs)] as ScopeVerb[],
  range: key.length === 0 && range_end.length === 0 ? null : rangeFromWire(key, range_end),
})

export const wireOfScopeEntry = ({ verbs, range }: ScopeEntry): WireScopeEntry => ({
  verbs: [...verbs],
  ...(range === null ? { key: noBytes, range_end: noBytes } : wireRangeOf(range)),
})

const noBytes = new Uint8Array(0)
