import { CallCounts } from '../grpc/call-counts.ts'
import { HealthCounts } from '../http/health-counts.ts'
import { refusalKinds, type TlsCounts } from '../security/tls-status.ts'
import { WatchCounts } from '../service/watch-counts.ts'

const tlsCells = 1 + 2 * refusalKinds.length
const sizes = [CallCounts.cells, WatchCounts.cells, HealthCounts.cells, tlsCells] as const

/** Numbers in memory that threads share; where to find them, as it is sent to a thread. */
export interface SharedCounts {
  readonly memory: SharedArrayBuffer
  /** Whether it is also counted how long calls take. */
  readonly timed: boolean
}

/**
 * All that one serving thread counts. The numbers lie in shared memory: counting is an addition, reading asks nothing of
 * the thread, however busy it is, and they outlive it, so that they never go back when a thread is started again. (One that
 * dies without a word may leave an addition half done: a count too few, once.)
 */
export class ServingCounts {
  readonly shared: SharedCounts
  readonly calls: CallCounts
  readonly watches: WatchCounts
  readonly health: HealthCounts
  readonly tls: TlsCounts

  static create(timed: boolean): ServingCounts {
    const cells = sizes.reduce((sum, size) => sum + size, 0)
    return new ServingCounts({ memory: new SharedArrayBuffer(cells * Float64Array.BYTES_PER_ELEMENT), timed })
  }

  constructor(shared: SharedCounts) {
    this.shared = shared
    let at = 0
    const [calls, watches, health, tls] = sizes.map((size) => {
      const cells = new Float64Array(shared.memory, at * Float64Array.BYTES_PER_ELEMENT, size)
      at += size
      return cells
    })
    this.calls = new CallCounts(shared.timed, calls)
    this.watches = new WatchCounts(watches)
    this.health = new HealthCounts(health)
    this.tls = tlsCountsIn(tls!)
  }
}

function tlsCountsIn(cells: Float64Array): TlsCounts {
  const property = (at: number): PropertyDescriptor => ({
    enumerable: true,
    get: () => cells[at]!,
    set: (value: number) => {
      cells[at] = value
    },
  })
  const byKind = (first: number): TlsCounts['refused'] =>
    Object.defineProperties(
      {},
      Object.fromEntries(refusalKinds.map((kind, i) => [kind, property(first + i)])),
    ) as TlsCounts['refused']
  const counts = { refused: byKind(1), closed: byKind(1 + refusalKinds.length) }
  return Object.defineProperty(counts, 'accepted', property(0)) as TlsCounts
}
