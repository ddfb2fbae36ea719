import type { WatchEvent } from '../apply/outcome.ts'
import { type KeyRange, rangeContains } from '../base/key-range.ts'

/** Kinds of events that a watch does not want. */
export interface EventFilters {
  readonly noPut: boolean
  readonly noDelete: boolean
}

export const noFilters: EventFilters = { noPut: false, noDelete: false }

export function watchMatches(event: WatchEvent, range: KeyRange, filters: EventFilters): boolean {
  if (event.type === 'put' ? filters.noPut : filters.noDelete) return false
  return rangeContains(range, event.key)
}
