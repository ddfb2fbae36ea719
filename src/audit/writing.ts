import { limits } from '../base/limits.ts'
import type { Trail } from './trail.ts'
import {
  type BatchDone,
  type QueueShare,
  queuedBytesCell,
  type RecordBatch,
  type WriterCell,
} from './writer-messages.ts'

export interface WritingPorts {
  /** Runs `callback` when what has arrived by now has been gathered. */
  soon(callback: () => void): void
  count(cell: WriterCell, add: number): void
  /** Records cannot be written; told once, until they can. */
  trouble(message: string): void
  recovered(lost: number): void
}

interface Pending extends RecordBatch {
  readonly queue: Int32Array
  done(done: BatchDone): void
}

/** The writer's work: batches of all threads become blocks of the trail, as many at a time as there are. */
export class Writing {
  readonly #trail: Trail
  readonly #ports: WritingPorts
  #pending: Pending[] = []
  #isScheduled = false
  /** Records lost in the trouble that there is now; null: there is none. */
  #trouble: number | null = null

  constructor(trail: Trail, ports: WritingPorts) {
    this.#trail = trail
    this.#ports = ports
  }

  take(batch: RecordBatch, { memory }: QueueShare, done: (done: BatchDone) => void): void {
    this.#pending.push({ ...batch, queue: new Int32Array(memory), done })
    this.#schedule()
  }

  /** Signs what was written since the last time, and flushes it. */
  checkpoint(): void {
    if (this.#trouble !== null) this.#write([])
    if (!this.#trail.isUnsigned) return
    try {
      this.#trail.checkpoint()
      this.#ports.count('checkpoints', 1)
    } catch (error) {
      this.#failed(error, 0)
    }
  }

  /** Writes all that is there. */
  drain(): void {
    while (this.#pending.length > 0) this.#writeSome()
  }

  #schedule(): void {
    if (this.#isScheduled || this.#pending.length === 0) return
    this.#isScheduled = true
    this.#ports.soon(() => {
      this.#isScheduled = false
      this.#writeSome()
      this.#schedule()
    })
  }

  #writeSome(): void {
    if (this.#pending.length === 0) return
    let bytes = 0
    let count = 0
    while (count < this.#pending.length && bytes < limits.auditWriteBytesMax)
      bytes += this.#pending[count++]!.bytes.length
    const batches = this.#pending.splice(0, count)
    const isPersisted = this.#write(batches)
    for (const { wait, queue, bytes, done } of batches) {
      Atomics.sub(queue, queuedBytesCell, bytes.length)
      if (wait > 0) done({ wait, isPersisted })
    }
  }

  /** @returns whether those that wait may take their records for kept. */
  #write(batches: readonly Pending[]): boolean {
    const records = batches.reduce((sum, batch) => sum + batch.records, 0)
    const dropped = batches.reduce((sum, { lost }) => sum + lost, 0)
    if (dropped > 0) this.#trail.noteLost(dropped, 'too much waited')
    try {
      this.#trail.append(batches)
    } catch (error) {
      this.#ports.count('lost', records)
      this.#failed(error, records)
      return false
    }
    this.#ports.count('records', records)
    this.#ports.count(
      'bytes',
      batches.reduce((sum, { bytes }) => sum + bytes.length, 0),
    )
    try {
      if (batches.some(({ wait }) => wait > 0)) this.#trail.sync()
    } catch (error) {
      this.#failed(error, 0)
      return false
    }
    if (this.#trouble !== null) this.#ports.recovered(this.#trouble)
    this.#trouble = null
    return true
  }

  #failed(error: unknown, lost: number): void {
    this.#ports.count('failures', 1)
    const isNews = this.#trouble === null
    this.#trouble = (this.#trouble ?? 0) + lost
    if (isNews) this.#ports.trouble(error instanceof Error ? error.message : String(error))
  }
}
