import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../base/log.ts'
import type { TlsFiles } from '../config/member-config.ts'
import { showName } from '../x509/index.ts'
import { type FileWatch, watchFiles } from './file-watch.ts'
import { readTlsContents, TlsFileError } from './tls-contents.ts'
import { readTlsFiles, warningsOf } from './tls-files.ts'
import { TlsSource } from './tls-source.ts'
import type { CertificateStatus, ListStatus, TlsStatus } from './tls-status.ts'

/** A change is in use after two to three of these. */
const lookMs = 250
/** What could not be used may become usable without a change: valid at last, or readable again. */
const retryMs = 10_000
const warnMs = 60 * 60 * 1000

/**
 * The TLS files of one member. Read in one place, all checked before any is put to use, and handed as bytes to everyone who
 * listens or dials, in whatever thread: none can have another set than the others for longer than a message takes. A set
 * that is half written, or wrong, leaves everything as it was.
 */
export class MemberTls {
  /** Null: that port is plaintext. */
  readonly client: TlsSource | null
  readonly peer: TlsSource | null
  readonly #log: Log
  readonly #reloads = { succeeded: 0, failed: 0 }
  readonly #renewals = { succeeded: 0, failed: 0 }
  #problem: string | null = null
  #watch: FileWatch | null = null
  #timers: NodeJS.Timeout[] = []

  /** @throws TlsFileError */
  constructor(files: { readonly clientTls: TlsFiles | null; readonly peerTls: TlsFiles | null }, log: Log) {
    this.client = files.clientTls === null ? null : TlsSource.of(files.clientTls)
    this.peer = files.peerTls === null ? null : TlsSource.of(files.peerTls)
    this.#log = log
    this.#warn()
  }

  /** From now on files are read again whenever one of them changes; what has changed since they were first read counts. */
  start(): void {
    const files = this.#sources().map(({ source }) => source.material.files)
    const paths = files.flatMap((each) => [each.certFile, each.keyFile, each.trustedCaFile, each.crlFile])
    this.#watch = watchFiles([...new Set(paths.filter((path) => path !== null))], lookMs, () => this.reload())
    this.#timers = [
      setInterval(() => {
        if (this.#problem !== null) this.#read('again')
      }, retryMs).unref(),
      setInterval(() => this.#warn(), warnMs).unref(),
    ]
    if (this.#sources().some(({ source }) => !isAsOnDisk(source))) this.reload()
  }

  stop(): void {
    this.#watch?.stop()
    for (const timer of this.#timers) clearInterval(timer)
  }

  /** Now, whether or not a file has changed. What cannot be used is logged, and the set before stays in use. */
  reload(): void {
    this.#read('asked')
  }

  /** The outcome of a renewal, for `status`. */
  renewed(succeeded: boolean): void {
    this.#renewals[succeeded ? 'succeeded' : 'failed']++
  }

  status(): TlsStatus {
    const sources = this.#sources()
    return {
      certificates: sources.flatMap(({ port, source }) => certificatesOf(port, source)),
      lists: sources.flatMap(({ port, source }) => listsOf(port, source)),
      reloads: { ...this.#reloads },
      reloadProblem: this.#problem,
      renewals: { ...this.#renewals },
    }
  }

  #read(why: 'asked' | 'again'): void {
    const sources = this.#sources().map(({ source }) => source)
    try {
      const read = sources.map((source) => readTlsFiles(source.material.files, { before: source.material }))
      for (const [i, material] of read.entries()) sources[i]!.replace(material)
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error
      // The same problem found again in the background is no news.
      if (why === 'again' && error.message === this.#problem) return
      this.#problem = error.message
      this.#reloads.failed++
      this.#log.error('the TLS files cannot be used; the ones before stay in use', { reason: error.message })
      return
    }
    this.#problem = null
    this.#reloads.succeeded++
    this.#log.info('TLS files were read again')
    this.#warn()
  }

  #warn(): void {
    for (const { source } of this.#sources())
      for (const warning of warningsOf(source.material, Date.now())) this.#log.warn(warning)
  }

  #sources(): { readonly port: 'client' | 'peer'; readonly source: TlsSource }[] {
    return [
      ...(this.client === null ? [] : [{ port: 'client' as const, source: this.client }]),
      ...(this.peer === null ? [] : [{ port: 'peer' as const, source: this.peer }]),
    ]
  }
}

/** False as well if a file is gone or cannot be used: reading it again tells why. */
function isAsOnDisk({ material: { contents } }: TlsSource): boolean {
  try {
    return isDeepStrictEqual(readTlsContents(contents.files), contents)
  } catch (error) {
    if (error instanceof TlsFileError) return false
    throw error
  }
}

function certificatesOf(port: 'client' | 'peer', { material }: TlsSource): CertificateStatus[] {
  const { files, chain, authorities } = material
  const own = [{ role: 'own' as const, file: files.certFile, certificate: chain[0]! }]
  const trusted = (authorities ?? []).map((certificate) => ({
    role: 'authority' as const,
    file: files.trustedCaFile!,
    certificate,
  }))
  return [...own, ...trusted].map(({ role, file, certificate: { subject, serial, notAfterMs } }) => ({
    port,
    role,
    file,
    subject: showName(subject),
    serial,
    notAfterMs,
  }))
}

function listsOf(port: 'client' | 'peer', { material }: TlsSource): ListStatus[] {
  const { files, revocations } = material
  return (revocations?.lists() ?? []).map((list) => ({
    port,
    file: files.crlFile!,
    ...list,
    refusesFromMs: list.nextUpdateMs === null ? null : list.nextUpdateMs + files.crlGraceMs,
  }))
}
