import { Worker } from 'node:worker_threads'
import type { Log } from '../base/log.ts'
import type { TlsSource } from '../security/tls-source.ts'
import { CommitEncoder, CoreBridge } from './core-bridge.ts'
import type { CoreHandle } from './core-handle.ts'
import type { MemberAudit } from './member-audit.ts'
import type { MemberPasswords } from './member-passwords.ts'
import { servePasswords } from './passwords-port.ts'
import type { ServedThread } from './served-thread.ts'
import { ServingCounts } from './serving-counts.ts'
import type { FromThread, ThreadStart, ToThread } from './thread-control.ts'

export interface ServingThreadsOptions<Serve> {
  readonly count: number
  readonly core: CoreHandle
  /** Where the live state lies now. */
  statePath(): string
  /** Calls back when another state has become the live one, before its first batch; `release` once, when nobody reads the old one. */
  onStateReplaced(callback: (path: string, release: () => void) => void): void
  /** Plain data for the threads' entry. */
  readonly serve: Serve
  /** Absent or null: plaintext. Every thread uses what this one holds. */
  readonly tls?: TlsSource | null
  /** Whether it is counted how long calls take. */
  readonly timed?: boolean
  /** Those of the process, for clients that ask a thread for them. */
  readonly metrics?: () => Promise<string>
  /** Where the threads have passwords looked at. */
  readonly passwords?: MemberPasswords
  /** What writes down what their callers do; absent or null: nothing does. */
  readonly audit?: MemberAudit | null
  readonly log: Log
  /** The module that threads run. */
  readonly entry?: URL
  /** First pause before a thread that died is started again; doubled each time up to `restartMsMax`. */
  readonly restartMsMin?: number
}

export interface ServingThreads {
  /** All threads serve; rejects if one cannot start, with all of them ended. */
  readonly ready: Promise<void>
  /** Stops listening, lets calls under way finish for up to `drainMs`, ends the threads. */
  close(drainMs?: number): Promise<void>
  /** In the order of their numbers. */
  readonly threads: readonly ServedThread[]
}

/** Beside this module, as a source or as it was built. */
const servingThreadEntry = new URL(`serving-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

const restartMsMax = 10_000
/** A thread that served this long starts again without a pause to speak of. */
const steadyMs = 60_000
/** Granted to a thread beyond the drain, before it is ended from outside. */
const closeMsMax = 2000
const drainMsDefault = 2000

/** Starts threads that serve clients of `core`, and keeps them running: one that dies is logged and started again. */
export function startServingThreads<Serve>(options: ServingThreadsOptions<Serve>): ServingThreads {
  const encoder = new CommitEncoder()
  const threads = Array.from({ length: options.count }, (_, number) => new ServingThread(options, encoder, number))
  let generation = 0
  options.onStateReplaced((path, release) => {
    generation++
    let left = threads.length
    if (left === 0) release()
    const released = (): void => {
      if (--left === 0) release()
    }
    for (const thread of threads) thread.stateReplaced(generation, path, released)
  })
  const { tls = null } = options
  const unsubscribe = tls?.onChange(() => {
    for (const thread of threads) thread.post({ kind: 'tls', contents: tls.material.contents })
  })
  const forgetPolicy = options.audit?.onPolicy((policy) => {
    for (const thread of threads) thread.post({ kind: 'auditPolicy', policy })
  })
  const close = async (drainMs = drainMsDefault): Promise<void> => {
    unsubscribe?.()
    forgetPolicy?.()
    await Promise.all(threads.map((thread) => thread.close(drainMs)))
  }
  const ready = Promise.all(threads.map((thread) => thread.ready)).then(
    () => {},
    async (error: unknown) => {
      await close(0)
      throw error
    },
  )
  // Whoever does not wait for `ready` learns of a failure from the log.
  ready.catch((error: unknown) => options.log.error('serving threads could not start', { error }))
  return { ready, close, threads }
}

/** One place for a thread: the worker that fills it at present, and its end of the seam. */
class ServingThread<Serve> implements ServedThread {
  readonly ready: Promise<void>
  readonly counts: ServingCounts
  restarts = 0
  readonly #options: ServingThreadsOptions<Serve>
  readonly #encoder: CommitEncoder
  readonly #number: number
  readonly #firstStart = Promise.withResolvers<void>()
  readonly #ended = Promise.withResolvers<void>()
  #worker: Worker | null = null
  #bridge: CoreBridge | null = null
  #restart: NodeJS.Timeout | null = null
  #restartMs: number
  #started = false
  #closing = false

  constructor(options: ServingThreadsOptions<Serve>, encoder: CommitEncoder, number: number) {
    this.#options = options
    this.#encoder = encoder
    this.#number = number
    this.counts = ServingCounts.create(options.timed ?? false)
    this.#restartMs = options.restartMsMin ?? 100
    this.ready = this.#firstStart.promise
    this.#start()
  }

  get isRunning(): boolean {
    return this.#worker !== null
  }

  get activeSeconds(): number {
    return (this.#worker?.performance.eventLoopUtilization().active ?? 0) / 1000
  }

  post(message: ToThread): void {
    this.#worker?.postMessage(message)
  }

  stateReplaced(generation: number, path: string, released: () => void): void {
    // A thread that is to start again will open the new state.
    if (this.#bridge === null) released()
    else this.#bridge.stateReplaced(generation, path, released)
  }

  async close(drainMs: number): Promise<void> {
    this.#closing = true
    if (this.#restart !== null) clearTimeout(this.#restart)
    const worker = this.#worker
    if (worker === null) return
    this.post({ kind: 'close', drainMs })
    const tooLong = setTimeout(() => {
      this.#options.log.warn('a serving thread does not end: stopping it', { thread: this.#number })
      worker.terminate()
    }, drainMs + closeMsMax)
    await this.#ended.promise
    clearTimeout(tooLong)
  }

  #start(): void {
    const { core, log, serve, entry, tls, passwords, audit } = this.#options
    const passwordsOf = passwords === undefined ? null : servePasswords(passwords)
    const auditOf = audit?.connect() ?? null
    const data: ThreadStart<Serve> = {
      info: core.info,
      core: {
        leader: core.leader(),
        term: core.term(),
        appliedIndex: core.appliedIndex(),
        revision: core.revision(),
        path: this.#options.statePath(),
      },
      serve,
      tls: tls?.material.contents ?? null,
      counts: this.counts.shared,
      passwords: passwordsOf,
      audit: auditOf,
    }
    let worker: Worker
    try {
      worker = new Worker(entry ?? servingThreadEntry, {
        workerData: data,
        name: `serving-${this.#number}`,
        transferList: [passwordsOf, auditOf].flatMap((of) => of?.port ?? []),
      })
    } catch (error) {
      // The system may have no thread to give, now.
      log.error('a serving thread failed', { thread: this.#number, error })
      this.#firstStart.reject(error)
      this.#exited(null, 0)
      return
    }
    const startedMs = performance.now()
    // From the same moment as the data above: nothing is missed in between, and messages wait for the thread.
    const bridge = new CoreBridge(core, this.#encoder, (message) => worker.postMessage(message, [message]))
    this.#worker = worker
    this.#bridge = bridge
    worker.on('message', (message: ArrayBuffer | FromThread) => {
      if (message instanceof ArrayBuffer) bridge.receive(message)
      else this.#told(message)
    })
    worker.on('error', (error) => log.error('a serving thread failed', { thread: this.#number, error }))
    worker.on('exit', (code) => {
      bridge.close()
      this.#worker = null
      this.#bridge = null
      this.counts.watches.reset()
      this.#exited(code, performance.now() - startedMs)
    })
  }

  #told(message: FromThread): void {
    const { log } = this.#options
    switch (message.kind) {
      case 'ready':
        this.#started = true
        this.#firstStart.resolve()
        break
      case 'refused':
        if (this.#started) log.error('a serving thread cannot serve', { thread: this.#number, reason: message.message })
        else this.#firstStart.reject(new Error(message.message))
        break
      case 'closed':
        break
      case 'askMetrics':
        this.#sendMetrics(message.id)
        break
      case 'log':
        log[message.level](message.message, { ...message.fields, thread: this.#number })
        break
    }
  }

  #sendMetrics(id: number): void {
    const answer = (text: string | null): void => this.post({ kind: 'metrics', id, text })
    const { metrics, log } = this.#options
    if (metrics === undefined) return answer(null)
    metrics().then(answer, (error: unknown) => {
      log.error('cannot put the metrics together', { error })
      answer(null)
    })
  }

  /** @param code null if there was no thread at all. */
  #exited(code: number | null, livedMs: number): void {
    if (!this.#started) this.#firstStart.reject(new Error(`a serving thread ended at its start with code ${code}`))
    if (this.#closing || !this.#started) {
      this.#ended.resolve()
      return
    }
    if (livedMs >= steadyMs) this.#restartMs = this.#options.restartMsMin ?? 100
    this.#options.log.error('a serving thread ended and is started again', {
      thread: this.#number,
      code,
      pauseMs: this.#restartMs,
    })
    this.#restart = setTimeout(() => {
      this.#restart = null
      this.restarts++
      this.#start()
    }, this.#restartMs)
    this.#restartMs = Math.min(this.#restartMs * 2, restartMsMax)
  }
}
