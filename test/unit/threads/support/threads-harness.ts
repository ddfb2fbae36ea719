import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { BroadcastChannel } from 'node:worker_threads'
import type { CommittedBatch } from '../../../../src/apply/outcome.ts'
import { silentLog } from '../../../../src/base/log.ts'
import { startServingThreads } from '../../../../src/threads/serving-threads.ts'
import { within } from '../../../support/within.ts'
import { FakeCore } from './fake-core.ts'
import type { EntryOptions, ThreadCommand } from './worker-entry.ts'

export const goodEntry = new URL('./worker-entry.ts', import.meta.url)
const endedMessage = 'a serving thread ended and is started again'
let channels = 0

interface Reply {
  readonly id?: number
  readonly answer?: unknown
  readonly refusal?: string
  readonly batch?: CommittedBatch
  readonly hello?: true
}

export interface HarnessOptions {
  readonly count?: number
  readonly restartMsMin?: number
  /** Asked at each start of a thread. */
  readonly entry?: () => URL
  readonly metrics?: () => Promise<string>
}

/**
 * Real threads on a core and a state of the test's. Commands and answers go by a broadcast channel, so they are in no
 * order with what the core tells the threads; an answer to `status` comes by way of the core, after all that it told.
 */
export function startThreads(t: TestContext, options: HarnessOptions = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'threads-'))
  const paths = [join(dir, 'state-1'), join(dir, 'state-2'), join(dir, 'state-3')] as const
  for (const [i, text] of ['one', 'two', 'three'].entries()) writeFileSync(paths[i]!, text)
  const core = new FakeCore()
  const name = `threads-test-${process.pid}-${channels++}`
  const channel = new BroadcastChannel(name)
  const batches: CommittedBatch[] = []
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const seen = { hellos: 0 }
  channel.onmessage = (event) => {
    const reply = event.data as Reply
    if (reply.hello === true) seen.hellos++
    if (reply.batch !== undefined) batches.push(reply.batch)
    if (reply.id === undefined || !('answer' in reply || 'refusal' in reply)) return
    const call = waiting.get(reply.id)
    waiting.delete(reply.id)
    if (reply.refusal !== undefined) call?.reject(new Error(reply.refusal))
    else call?.resolve(reply.answer)
  }
  let next = 0
  let replace: (path: string, release: () => void) => void = () => {}
  let path: string = paths[0]
  const errors: string[] = []
  const down = Promise.withResolvers<void>()
  const threads = startServingThreads<EntryOptions>({
    count: options.count ?? 1,
    core,
    statePath: () => path,
    onStateReplaced: (callback) => {
      replace = callback
    },
    serve: { channel: name },
    log: {
      ...silentLog,
      error: (message) => {
        errors.push(message)
        if (message === endedMessage) down.resolve()
      },
    },
    get entry() {
      return options.entry?.() ?? goodEntry
    },
    restartMsMin: options.restartMsMin ?? 1,
    ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
  })
  const close = (drainMs: number): Promise<void> => within('all threads have ended', threads.close(drainMs))
  t.after(async () => {
    await close(0)
    channel.close()
    rmSync(dir, { recursive: true })
  })
  return {
    core,
    batches,
    paths,
    errors,
    /** Threads that have come to serve, over time. */
    seen,
    close,
    threads: threads.threads,
    ready: within('all threads serve', threads.ready),
    ask: (command: Omit<ThreadCommand, 'id'>): Promise<unknown> => {
      const id = next++
      const call = Promise.withResolvers<unknown>()
      waiting.set(id, call)
      channel.postMessage({ id, ...command })
      return within(`a thread answers ${command.do}`, call.promise)
    },
    /** Goes on in the moment when the first thread that died is gone, and before it is started again. */
    untilDown: (): Promise<void> => within('a thread is down', down.promise),
    replaceState: (to: string, release: () => void) => {
      path = to
      replace(to, release)
    },
  }
}
