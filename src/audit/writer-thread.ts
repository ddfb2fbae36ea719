/** The entry of the thread that writes the audit trail: its disk may be slow, and nobody else should wait for it. */
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import { assert } from '../base/assert.ts'
import { limits } from '../base/limits.ts'
import { openSigningKey } from './signing-key.ts'
import { Trail, type TrailOptions } from './trail.ts'
import { openTrailFolder } from './trail-folder.ts'
import {
  type FromWriter,
  type QueueShare,
  type RecordBatch,
  type ToWriter,
  type WriterStart,
  writerCells,
} from './writer-messages.ts'
import { Writing } from './writing.ts'

const port = parentPort
assert(port !== null, 'the writer is started by startTrailWriter')
const start = workerData as WriterStart
const tell = (message: FromWriter): void => port.postMessage(message)

try {
  write(port, start)
} catch (error) {
  tell({ kind: 'refused', message: error instanceof Error ? error.message : String(error) })
  port.close()
}

/** @throws Error in one line. */
function openTrail(options: TrailOptions, dir: string): Trail {
  try {
    return Trail.open(options)
  } catch (error) {
    throw new Error(`the audit trail in ${dir}: ${(error as Error).message}`, { cause: error })
  }
}

function write(port: MessagePort, { dir, keyFile, trail: options, firstLines, counts }: WriterStart): void {
  const key = openSigningKey(keyFile)
  const folder = openTrailFolder(dir, key.publicPem)
  const trail = openTrail({ ...options, folder, key, nowMs: Date.now }, dir)
  const cells = new Float64Array(counts)
  const writing = new Writing(trail, {
    soon: (callback) => void setImmediate(callback),
    count: (cell, add) => {
      cells[writerCells[cell]]! += add
    },
    trouble: (message) => tell({ kind: 'trouble', message }),
    recovered: (lost) => tell({ kind: 'recovered', lost }),
  })
  const own: QueueShare = { memory: new SharedArrayBuffer(2 * Int32Array.BYTES_PER_ELEMENT) }
  const takeLine = (line: string): void =>
    writing.take({ bytes: Buffer.from(line), records: 1, lost: 0, wait: 0 }, own, () => {})
  const clients = new Map<MessagePort, QueueShare>()
  const checkpoints = setInterval(() => writing.checkpoint(), limits.auditCheckpointMs)

  const connect = (client: MessagePort, share: QueueShare): void => {
    clients.set(client, share)
    client.on('message', (batch: RecordBatch) => writing.take(batch, share, (done) => client.postMessage(done)))
    client.on('close', () => clients.delete(client))
  }
  const close = (): void => {
    clearInterval(checkpoints)
    for (const [client, share] of clients) {
      for (let next = receiveMessageOnPort(client); next !== undefined; next = receiveMessageOnPort(client)) {
        writing.take(next.message as RecordBatch, share, () => {})
      }
      client.close()
    }
    writing.drain()
    let head: string | null = null
    try {
      trail.checkpoint('stop')
      head = trail.head
    } catch (error) {
      tell({ kind: 'trouble', message: error instanceof Error ? error.message : String(error) })
    }
    trail.close()
    tell({ kind: 'closed', head })
    port.close()
  }

  port.on('message', (message: ToWriter) => {
    if (message.kind === 'connect') connect(message.port, message.share)
    else if (message.kind === 'line') takeLine(message.line)
    else close()
  })
  for (const line of firstLines) takeLine(line)
  writing.drain()
  writing.checkpoint()
  tell({ kind: 'ready', head: trail.head, findings: trail.findings })
}
