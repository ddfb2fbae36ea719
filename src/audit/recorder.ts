import type { MessagePort } from 'node:worker_threads'
import { limits } from '../base/limits.ts'
import {
  type BatchDone,
  lostRecordsCell,
  type QueueShare,
  queuedBytesCell,
  type RecordBatch,
} from './writer-messages.ts'

interface Waiting {
  resolve(isPersisted: boolean): void
  readonly timer: NodeJS.Timeout
}

const noRoom: Buffer<ArrayBuffer> = Buffer.alloc(0)

/**
 * Gathers the records of one thread and hands them to the writer in batches. What waits to be written is bounded: above that
 * records are thrown away and counted, and the trail says so.
 */
export class Recorder {
  readonly #port: MessagePort
  readonly #queue: Int32Array
  readonly #waiting = new Map<number, Waiting>()
  /** Bytes and not texts: those would live long enough to cost the garbage collector as much as all else. */
  #bytes = noRoom
  #length = 0
  #records = 0
  #lost = 0
  /** Of the batch that is being gathered, if anybody waits for it. */
  #persisted: PromiseWithResolvers<boolean> | null = null
  #nextWait = 1
  #timer: NodeJS.Timeout | null = null
  #isFlushing = false

  constructor(port: MessagePort, share: QueueShare) {
    this.#port = port
    this.#queue = new Int32Array(share.memory)
    port.on('message', ({ wait, isPersisted }: BatchDone) => this.#done(wait, isPersisted))
  }

  /** @param line with its newline. */
  record(line: string): void {
    if (this.#add(line)) this.#timer ??= setTimeout(() => this.flush(), limits.auditBatchMs)
  }

  /** @returns whether the line is on stable storage; false after a while, too. */
  persist(line: string): Promise<boolean> {
    if (!this.#add(line)) return Promise.resolve(false)
    this.#persisted ??= Promise.withResolvers()
    if (!this.#isFlushing) {
      this.#isFlushing = true
      setImmediate(() => this.flush())
    }
    return this.#persisted.promise
  }

  /** Hands over what has been gathered. */
  flush(): void {
    this.#isFlushing = false
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    if (this.#records === 0 && this.#lost === 0) return
    const records = this.#records
    const bytes = this.#takeBytes()
    this.#records = 0
    const wait = this.#persisted === null ? 0 : this.#wait(this.#persisted)
    this.#persisted = null
    const lost = this.#lost
    this.#lost = 0
    Atomics.add(this.#queue, queuedBytesCell, bytes.length)
    const batch: RecordBatch = { bytes, records, lost, wait }
    this.#port.postMessage(batch, [bytes.buffer])
  }

  #add(line: string): boolean {
    if (Atomics.load(this.#queue, queuedBytesCell) + this.#length > limits.auditQueueBytesMax) {
      this.#lost++
      Atomics.add(this.#queue, lostRecordsCell, 1)
      // Said even if no other record comes.
      this.#timer ??= setTimeout(() => this.flush(), limits.auditBatchMs)
      return false
    }
    // No unit of UTF-16 takes more than three bytes.
    const bytesMax = 3 * line.length
    if (this.#length + bytesMax > this.#bytes.length) this.#makeRoom(bytesMax)
    this.#length += this.#bytes.write(line, this.#length)
    this.#records++
    return true
  }

  #makeRoom(bytesMax: number): void {
    if (this.#records > 0) this.flush()
    if (bytesMax > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(Math.max(limits.auditBatchBytes, bytesMax))
    }
  }

  /** In a buffer of their own, at most half of which is unused: it is that which waits. */
  #takeBytes(): Uint8Array<ArrayBuffer> {
    const bytes = this.#bytes.subarray(0, this.#length)
    this.#length = 0
    if (bytes.length === 0 || 2 * bytes.length < this.#bytes.length) return new Uint8Array(bytes)
    this.#bytes = noRoom
    return bytes
  }

  #wait({ resolve }: PromiseWithResolvers<boolean>): number {
    const wait = this.#nextWait++
    this.#waiting.set(wait, { resolve, timer: setTimeout(() => this.#done(wait, false), limits.auditWaitMsMax) })
    return wait
  }

  #done(wait: number, isPersisted: boolean): void {
    const waiting = this.#waiting.get(wait)
    if (waiting === undefined) return
    this.#waiting.delete(wait)
    clearTimeout(waiting.timer)
    waiting.resolve(isPersisted)
  }
}
