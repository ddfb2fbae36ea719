import type { LeaseId } from '../base/ids.ts'

/** When a lease is to be looked at next; not necessarily when it expires, for renewals do not touch the heap. */
export interface Visit {
  readonly atMs: number
  readonly id: LeaseId
}

/** A binary heap with the earliest visit first; equal times come in order of their ids. */
export class DueHeap {
  readonly #visits: Visit[] = []

  get size(): number {
    return this.#visits.length
  }

  peek(): Visit | undefined {
    return this.#visits[0]
  }

  push(visit: Visit): void {
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

  pop(): Visit | undefined {
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
}

const before = (a: Visit, b: Visit): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.id < b.id)
