import { availableParallelism } from 'node:os'
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads'
import type { Auditor } from '../audit/auditor.ts'
import { assert } from '../base/assert.ts'
import type { Log } from '../base/log.ts'
import { checkTlsContents } from '../security/tls-files.ts'
import { TlsSource } from '../security/tls-source.ts'
import type { Member } from '../service/member.ts'
import { auditorOf } from './member-audit.ts'
import type { PasswordsOfMember } from './passwords-port.ts'
import type { SharedCounts } from './serving-counts.ts'
import type { FromThread, ThreadStart, ToThread } from './thread-control.ts'
import { threadLog } from './thread-log.ts'
import { type StateReader, type TakeUntil, ThreadMember } from './thread-member.ts'
import { ThreadMetrics } from './thread-metrics.ts'

/** What a thread serves with; it must let calls under way finish for up to `drainMs`. */
export interface ThreadServer {
  close(drainMs: number): Promise<void>
}

export interface ThreadParts<Serve> {
  openReader(path: string): StateReader
  serve(member: Member, options: Serve, surroundings: ThreadSurroundings): Promise<ThreadServer>
}

/** What a thread has of its process, beside the member. */
export interface ThreadSurroundings {
  readonly log: Log
  /** Null: plaintext. What it holds changes when the member's files do. */
  readonly tls: TlsSource | null
  readonly counts: SharedCounts
  /** Those of the whole process; rejects if they cannot be had. */
  readonly metrics: () => Promise<string>
  /** Where passwords are looked at. Null: nobody logs in here. */
  readonly passwords: PasswordsOfMember | null
  /** Takes note of what callers do. Null: nobody does. */
  readonly audit: Auditor | null
}

/** Processors below which none is spared for waiting: the core, its disk and the client need theirs. */
const parallelismToWait = 3

const taker =
  (port: MessagePort, take: (message: ArrayBuffer | ToThread) => void): TakeUntil =>
  (isOver, waitMsMax) => {
    const endMs = performance.now() + waitMsMax
    while (!isOver() && performance.now() < endMs) {
      const received = receiveMessageOnPort(port)
      if (received !== undefined) take(received.message)
    }
  }

/** The life of one serving thread, from inside: join the core, serve, and close when told. */
export async function runServingThread<Serve>(parts: ThreadParts<Serve>): Promise<void> {
  const port = parentPort
  assert(port !== null, 'a serving thread is started by startServingThreads')
  const start = workerData as ThreadStart<Serve>
  const tell = (message: FromThread): void => port.postMessage(message)
  const log = threadLog(tell)

  const member = new ThreadMember(start.info, start.core, {
    post: (message) => port.postMessage(message, [message]),
    openReader: parts.openReader,
    soon: (callback) => {
      setImmediate(callback)
    },
    nowMs: () => performance.now(),
    ...(availableParallelism() >= parallelismToWait ? { takeUntil: taker(port, (message) => take(message)) } : {}),
    closeFailed: (error) => log.error('cannot close a replaced state', { error }),
  })
  const serving = Promise.withResolvers<ThreadServer>()
  const metrics = new ThreadMetrics((id) => tell({ kind: 'askMetrics', id }))
  const audit = start.audit === null ? null : auditorOf(start.audit)
  let tls: TlsSource | null = null
  const take = (message: ArrayBuffer | ToThread): void => {
    if (message instanceof ArrayBuffer) member.receive(message)
    else if (message.kind === 'tls') tls?.take(message.contents)
    else if (message.kind === 'auditPolicy') audit?.usePolicy(message.policy)
    else if (message.kind === 'metrics') metrics.answered(message.id, message.text)
    else {
      const { drainMs } = message
      serving.promise.then(async (server) => {
        await server.close(drainMs)
        await member.close()
        audit?.flush()
        tell({ kind: 'closed' })
        port.close()
      })
    }
  }
  port.on('message', take)

  try {
    if (start.tls !== null) tls = new TlsSource(checkTlsContents(start.tls))
    const { counts, passwords } = start
    const surroundings = { log, tls, counts, metrics: () => metrics.ask(), passwords, audit }
    serving.resolve(await parts.serve(member, start.serve, surroundings))
    tell({ kind: 'ready' })
  } catch (error) {
    tell({ kind: 'refused', message: error instanceof Error ? error.message : String(error) })
    await member.close()
    port.close()
  }
}
