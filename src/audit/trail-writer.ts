import { MessageChannel, type MessagePort, Worker } from 'node:worker_threads'
import type { Log } from '../base/log.ts'
import {
  type FromWriter,
  lostRecordsCell,
  newQueueShare,
  type QueueShare,
  queuedBytesCell,
  type ToWriter,
  type WriterCell,
  type WriterStart,
  writerCells,
} from './writer-messages.ts'

/** One thread's way to the writer; the port must be handed over to it. */
export interface TrailConnection {
  readonly port: MessagePort
  readonly share: QueueShare
}

/** The audit trail of this process, from the thread that starts the others. */
export interface TrailWriter {
  /** For a thread of which the trail is to have records. */
  connect(): TrailConnection
  /** A line of the member's own. */
  say(line: string): void
  counted(cell: WriterCell): number
  queuedBytes(): number
  /** Ends the trail: after all who are connected have handed in their last records. */
  close(): Promise<void>
}

/** Beside this module, as a source or as it was built. */
const entry = new URL(`writer-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

/**
 * @param failed called if the thread ends by itself.
 * @throws Error in one line if the folder or the key cannot be used.
 */
export async function startTrailWriter(
  start: Omit<WriterStart, 'counts'>,
  log: Log,
  failed: (error: Error) => void,
): Promise<TrailWriter> {
  const counts = new SharedArrayBuffer(Object.keys(writerCells).length * Float64Array.BYTES_PER_ELEMENT)
  const cells = new Float64Array(counts)
  const worker = new Worker(entry, { workerData: { ...start, counts } satisfies WriterStart, name: 'audit' })
  const post = (message: ToWriter, transfer: MessagePort[] = []): void => worker.postMessage(message, transfer)
  const queues: Int32Array[] = []
  const sumOf = (cell: number): number => queues.reduce((sum, queue) => sum + Atomics.load(queue, cell), 0)
  const ready = Promise.withResolvers<void>()
  const ended = Promise.withResolvers<void>()
  let isClosing = false
  worker.on('message', (message: FromWriter) => {
    switch (message.kind) {
      case 'ready':
        for (const finding of message.findings) log.warn('the audit trail was not as it should be', { finding })
        log.info('writing an audit trail', { dir: start.dir, head: message.head })
        ready.resolve()
        break
      case 'refused':
        isClosing = true
        ready.reject(new Error(message.message))
        break
      case 'trouble':
        log.error('the audit trail cannot be written', { reason: message.message })
        break
      case 'recovered':
        log.warn('the audit trail can be written again', { lost: message.lost })
        break
      case 'closed':
        if (message.head !== null) log.info('ended the audit trail', { head: message.head })
        break
    }
  })
  worker.on('error', (error) => {
    log.error('the writer of the audit trail failed', { error })
    ready.reject(error)
  })
  worker.on('exit', () => {
    ended.resolve()
    if (!isClosing) failed(new Error('the writer of the audit trail ended'))
  })
  await ready.promise
  return {
    connect() {
      const { port1, port2 } = new MessageChannel()
      const share = newQueueShare()
      queues.push(new Int32Array(share.memory))
      post({ kind: 'connect', port: port1, share }, [port1])
      return { port: port2, share }
    },
    say: (line) => post({ kind: 'line', line }),
    counted: (cell) => cells[writerCells[cell]]! + (cell === 'lost' ? sumOf(lostRecordsCell) : 0),
    queuedBytes: () => sumOf(queuedBytesCell),
    async close() {
      isClosing = true
      post({ kind: 'close' })
      await ended.promise
    },
  }
}
