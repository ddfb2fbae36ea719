import { Worker } from 'node:worker_threads'
import type { Log } from '../base/log.ts'
import { X509Error } from '../x509/index.ts'
import { readCertificateFile } from './authority-folder.ts'
import { PkiError } from './pki-error.ts'
import type { RenewFromAny } from './renew-from-any.ts'

/** A certificate that can be had anew. */
export interface Renewable {
  readonly certFile: string
  /** Replaces the file. Rejects with PkiError. */
  renew(): Promise<void>
}

export interface RenewerOptions {
  readonly log: Log
  onOutcome(succeeded: boolean): void
  /** Since the epoch. */
  readonly nowMs?: () => number
  readonly lookMs?: number
}

const lookMsDefault = 60_000
const failurePauseMsMin = 60_000
const failurePauseMsMax = 60 * 60 * 1000
const renewalMsMax = 60_000

/**
 * Renews certificates when a third of their life is left, or up to a tenth of it earlier, by chance: a fleet that was set up
 * in one go does not renew in one go. What fails is logged as an error and tried again, after a minute at first and then
 * less and less often down to once an hour.
 */
export class Renewer {
  readonly #renewables: readonly Renewable[]
  readonly #options: RenewerOptions
  readonly #nowMs: () => number
  /** By file: the certificate looked at last, and its share of chance. */
  readonly #chances = new Map<string, { readonly serial: string; readonly chance: number }>()
  readonly #failures = new Map<string, { readonly count: number; readonly againMs: number }>()
  #timer: NodeJS.Timeout | null = null
  #stopped = false

  constructor(renewables: readonly Renewable[], options: RenewerOptions) {
    this.#renewables = renewables
    this.#options = options
    this.#nowMs = options.nowMs ?? Date.now
  }

  start(): void {
    if (this.#renewables.length > 0) void this.#look()
  }

  /** A renewal under way ends by itself. */
  stop(): void {
    this.#stopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  async #look(): Promise<void> {
    for (const renewable of this.#renewables) {
      const { certFile } = renewable
      const failure = this.#failures.get(certFile)
      if (failure !== undefined && this.#nowMs() < failure.againMs) continue
      try {
        if (this.#nowMs() < this.#dueMs(certFile)) continue
        await renewable.renew()
      } catch (error) {
        if (!(error instanceof PkiError || error instanceof X509Error)) throw error
        this.#failed(certFile, error.message)
        continue
      }
      this.#failures.delete(certFile)
      this.#options.log.info('certificate renewed', { file: certFile })
      this.#options.onOutcome(true)
    }
    if (!this.#stopped) {
      this.#timer = setTimeout(() => void this.#look(), this.#options.lookMs ?? lookMsDefault).unref()
    }
  }

  #dueMs(certFile: string): number {
    const { serial, notBeforeMs, notAfterMs } = readCertificateFile(certFile)[0]!
    let known = this.#chances.get(certFile)
    if (known?.serial !== serial) {
      known = { serial, chance: Math.random() }
      this.#chances.set(certFile, known)
    }
    const lifeMs = notAfterMs - notBeforeMs
    return notAfterMs - lifeMs / 3 - (known.chance * lifeMs) / 10
  }

  #failed(certFile: string, reason: string): void {
    const count = (this.#failures.get(certFile)?.count ?? 0) + 1
    const pauseMs = Math.min(failurePauseMsMax, failurePauseMsMin * 2 ** Math.min(count - 1, 16))
    this.#failures.set(certFile, { count, againMs: this.#nowMs() + pauseMs })
    this.#options.log.error('a certificate that ends soon could not be renewed', { file: certFile, reason, pauseMs })
    this.#options.onOutcome(false)
  }
}

/** One that an authority renews, whose folder is on this machine. */
export const authorityRenewable = (options: RenewFromAny): Renewable => ({
  certFile: options.certFile,
  renew: () => renewInThread(options),
})

/** Beside this module, as a source or as it was built. */
const renewalThread = new URL(`renewal-thread${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)

function renewInThread(options: RenewFromAny): Promise<void> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(renewalThread, { workerData: options, name: 'renewal' })
    const fail = (reason: string): void => reject(new PkiError(`${options.certFile}: ${reason}`))
    const deadline = setTimeout(() => {
      fail('the renewal takes too long')
      void worker.terminate()
    }, renewalMsMax)
    worker.on('message', ({ problem }: { readonly problem: string | null }) =>
      problem === null ? resolve() : reject(new PkiError(problem)),
    )
    worker.on('error', (error: Error) => fail(error.message))
    worker.on('exit', () => {
      clearTimeout(deadline)
      fail('the renewal ended without an answer')
    })
  })
}
