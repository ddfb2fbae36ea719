import type { LeaseId } from '../base/ids.ts'

/** When a lease is to be looked at next; not necessarily when it expires, for renewals do not touch the heap. */
export interface Visit<Lease> {
  readonly atMs: number
  readonly id: LeaseId
  /** Tells the lease from a later one with the same id. */
  readonly lease: Lease
}

/** A binary heap with the earliest visit first; equal times come in order of their ids. */
export class DueHeap<Lease> {
  readonly #visits: Visit<Lease>[] = []

  get size(): number {
    return this.#visits.length
  }

  peek(): Visit<Lease> | undefined {
    return this.#visits[0]
  }

  push(visit: Visit<Lease>): void {
    const visits = this.#visits
    let at = visits.length
    visits.push(visit)
    while (at > 0) {
      const parent = (at - 1) >> 1
      if (!before(visit, visits[parent]!)) break
      visits[at] = visits[parent]!
      at = parent
    }
    visits[at] = visit
  }

  pop(): Visit<Lease> | undefined {
    const visits = this.#visits
    const first = visits[0]
    const last = visits.pop()
    if (last === undefined || visits.length === 0) return first
    let at = 0
    for (;;) {
      let child = 2 * at + 1
      if (child >= visits.length) break
      if (child + 1 < visits.length && before(visits[child + 1]!, visits[child]!)) child++
      if (!before(visits[child]!, last)) break
      visits[at] = visits[child]!
      at = child
    }
    visits[at] = last
    return first
  }

  clear(): void {
    this.#visits.length = 0
  }

  /** Drops the visits that are not to be kept. */
  retain(keep: (visit: Visit<Lease>) => boolean): void {
    const kept = this.#visits.filter(keep)
    this.clear()
    for (const visit of kept) this.push(visit)
  }
}

const before = (a: Visit<unknown>, b: Visit<unknown>): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.id < b.id)
