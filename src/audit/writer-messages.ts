import type { TrailOptions } from './trail.ts'

/** A serving thread's end of its way to the writer; what crosses is plain data. */

/** From a serving thread. */
export interface RecordBatch {
  /** Whole lines, handed over. */
  readonly bytes: Uint8Array
  readonly records: number
  /** Records that were thrown away before these, because too much waited. */
  readonly lost: number
  /** To be told by this number when the records are on stable storage; 0: nobody waits. */
  readonly wait: number
}

/** To a serving thread. */
export interface BatchDone {
  readonly wait: number
  readonly isPersisted: boolean
}

/** What a thread needs to hand in records, beside the port. */
export interface QueueShare {
  /** Int32: bytes that were handed in and not yet taken, and records thrown away. */
  readonly memory: SharedArrayBuffer
}
export const queuedBytesCell = 0
export const lostRecordsCell = 1
export const newQueueShare = (): QueueShare => ({ memory: new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT) })

/** What the writer counts, as numbers in shared memory; it alone adds to them. */
export const writerCells = { records: 0, bytes: 1, lost: 2, failures: 3, checkpoints: 4 } as const
export type WriterCell = keyof typeof writerCells

export interface WriterStart {
  readonly dir: string
  readonly keyFile: string
  readonly trail: Pick<TrailOptions, 'member' | 'newTrailId' | 'fileBytesMax' | 'fileAgeMsMax' | 'filesMax'>
  /** Lines that begin each run. */
  readonly firstLines: readonly string[]
  /** Float64, by `writerCells`. */
  readonly counts: SharedArrayBuffer
}

export type ToWriter =
  /** Another thread hands in records, by this port. */
  | { readonly kind: 'connect'; readonly port: import('node:worker_threads').MessagePort; readonly share: QueueShare }
  /** A line of the member's own. */
  | { readonly kind: 'line'; readonly line: string }
  /** What is there is written, signed and ended. */
  | { readonly kind: 'close' }

export type FromWriter =
  | { readonly kind: 'ready'; readonly head: string; readonly findings: readonly string[] }
  | { readonly kind: 'refused'; readonly message: string }
  /** It cannot write, or can again; not for every failure. */
  | { readonly kind: 'trouble'; readonly message: string }
  | { readonly kind: 'recovered'; readonly lost: number }
  /** `head`: the last seal; null if it could not be written. */
  | { readonly kind: 'closed'; readonly head: string | null }
