import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import type { MessagePort } from 'node:worker_threads'
import { Auditor } from '../audit/auditor.ts'
import { type AuditPolicy, defaultPolicy } from '../audit/levels.ts'
import { policyLine, startedLine } from '../audit/own-records.ts'
import { parseAuditPolicy } from '../audit/policy-file.ts'
import { Recorder } from '../audit/recorder.ts'
import { startTrailWriter, type TrailWriter } from '../audit/trail-writer.ts'
import type { QueueShare } from '../audit/writer-messages.ts'
import { limits } from '../base/limits.ts'
import type { Log } from '../base/log.ts'
import type { AuditConfig } from '../config/audit-settings.ts'
import { readBounded } from '../files/read-bounded.ts'
import { watchFiles } from '../security/file-watch.ts'

/** What a serving thread needs to take note of its calls; the port must be handed over. */
export interface AuditOfMember {
  readonly port: MessagePort
  readonly share: QueueShare
  readonly policy: AuditPolicy
  readonly member: string
  readonly requestPrefix: string
  readonly isRequired: boolean
}

export interface MemberAuditOptions {
  readonly config: AuditConfig
  /** In hex. */
  readonly member: string
  readonly name: string
  readonly version: string
  readonly log: Log
  /** The writer ended by itself. */
  failed(error: Error): void
}

interface UsedPolicy {
  readonly policy: AuditPolicy
  /** SHA-256 of the file; null without one. */
  readonly sha256: string | null
}

/** The audit trail of this member: the thread that writes it, and the rules for what is written, which may change. */
export class MemberAudit {
  readonly #options: MemberAuditOptions
  readonly #writer: TrailWriter
  readonly #listeners = new Set<(policy: AuditPolicy) => void>()
  readonly #stopWatching: () => void
  #used: UsedPolicy

  private constructor(options: MemberAuditOptions, writer: TrailWriter, used: UsedPolicy) {
    this.#options = options
    this.#writer = writer
    this.#used = used
    const { policyFile } = options.config
    if (policyFile === null) this.#stopWatching = () => {}
    else {
      const watch = watchFiles([policyFile], limits.auditPolicyLookedAtMs, () => this.reload())
      this.#stopWatching = () => watch.stop()
      // They may have changed since they were read.
      this.reload()
    }
  }

  /** @throws Error in one line if the folder, the key or the rules cannot be used. */
  static async open(options: MemberAuditOptions): Promise<MemberAudit> {
    const { config, member, name, version, log, failed } = options
    const used = readPolicy(config.policyFile)
    const { dir, keyFile, fileBytesMax, fileAgeMsMax, filesMax } = config
    const fields = { name, version, mode: config.mode, policy: used.sha256 }
    const writer = await startTrailWriter(
      {
        dir,
        keyFile,
        trail: { member, newTrailId: randomUUID(), fileBytesMax, fileAgeMsMax, filesMax },
        firstLines: [startedLine(new Date().toISOString(), fields)],
      },
      log,
      failed,
    )
    return new MemberAudit(options, writer, used)
  }

  get counts(): TrailWriter {
    return this.#writer
  }

  /** For one more thread. */
  connect(): AuditOfMember {
    const { config, member } = this.#options
    return {
      ...this.#writer.connect(),
      policy: this.#used.policy,
      member,
      requestPrefix: `${randomBytes(5).toString('hex')}-`,
      isRequired: config.mode === 'required',
    }
  }

  onPolicy(listener: (policy: AuditPolicy) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Reads the rules again; if they cannot be used, those before stay. */
  reload(): void {
    const { config, log } = this.#options
    let next: UsedPolicy
    try {
      next = readPolicy(config.policyFile)
    } catch (error) {
      log.error('the rules of the audit trail cannot be used: those before go on', { reason: (error as Error).message })
      return
    }
    if (next.sha256 === this.#used.sha256) return
    this.#used = next
    this.#writer.say(policyLine(new Date().toISOString(), next.sha256))
    log.info('other rules for the audit trail', { sha256: next.sha256 })
    for (const listener of this.#listeners) listener(next.policy)
  }

  /** After all serving threads have ended. */
  close(): Promise<void> {
    this.#stopWatching()
    return this.#writer.close()
  }
}

/** @throws Error in one line. */
function readPolicy(file: string | null): UsedPolicy {
  if (file === null) return { policy: defaultPolicy, sha256: null }
  try {
    // Whoever can write the rules can have nothing written down.
    if ((statSync(file).mode & 0o002) !== 0) throw new Error('can be written by everyone; run chmod o-w on it')
    const text = readBounded(file, limits.auditPolicyBytesMax, 'regular')
    return { policy: parseAuditPolicy(text.toString('utf8')), sha256: createHash('sha256').update(text).digest('hex') }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    throw new Error(`the rules of the audit trail, ${file}: ${code ?? message}`, { cause: error })
  }
}

/** From what the thread was given. */
export function auditorOf({ port, share, ...rest }: AuditOfMember): Auditor {
  const recorder = new Recorder(port, share)
  // A thread that has nothing else to do may end.
  port.unref()
  return new Auditor({ recorder, ...rest })
}
