import { type AuditedMethod, type AuditSurroundings, CallAudit } from './call-audit.ts'
import { type AuditPolicy, levelsOfMethod } from './levels.ts'
import type { Recorder } from './recorder.ts'

export interface AuditorOptions {
  readonly recorder: Recorder
  readonly policy: AuditPolicy
  /** In hex. */
  readonly member: string
  readonly requestPrefix: string
  /** Whether changes wait until their decision is kept. */
  readonly isRequired: boolean
}

/** Makes the audit records of one serving thread. */
export class Auditor {
  readonly #recorder: Recorder
  readonly #surroundings: AuditSurroundings
  readonly #methods = new Map<string, AuditedMethod>()
  #policy: AuditPolicy
  #calls = 0

  constructor({ recorder, policy, member, requestPrefix, isRequired }: AuditorOptions) {
    this.#recorder = recorder
    this.#policy = policy
    this.#surroundings = { recorder, field: `,"member":"${member}"`, requestPrefix, isRequired, nowMs: Date.now }
  }

  /**
   * @param name as `service/method`.
   * @param isLong whether its calls last.
   */
  method(name: string, isLong: boolean): AuditedMethod {
    const known = this.#methods.get(name)
    if (known !== undefined) return known
    const method = { field: `,"method":"${name}"`, isLong, levelOf: levelsOfMethod(this.#policy, name) }
    this.#methods.set(name, method)
    return method
  }

  /** @param peer fields with a comma before each. */
  begin(method: AuditedMethod, peer: string): CallAudit {
    return new CallAudit(this.#surroundings, method, peer, ++this.#calls)
  }

  /** From the next decision on. */
  usePolicy(policy: AuditPolicy): void {
    this.#policy = policy
    for (const [name, method] of this.#methods) method.levelOf = levelsOfMethod(policy, name)
  }

  /** Hands over what has been gathered: before the thread ends. */
  flush(): void {
    this.#recorder.flush()
  }
}
