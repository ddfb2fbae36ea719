import { limits } from '../base/limits.ts'
import { type AuditedMethod, type AuditSurroundings, CallAudit } from './call-audit.ts'
import { type AuditPolicy, levelsOfMethod } from './levels.ts'
import type { Recorder } from './recorder.ts'
import { textJson, timeText } from './render.ts'

export interface AuditorOptions {
  readonly recorder: Recorder
  readonly policy: AuditPolicy
  /** In hex. */
  readonly member: string
  readonly requestPrefix: string
  /** Whether changes wait until their decision is kept. */
  readonly isRequired: boolean
}

const refusalsIntervalMs = 10_000

/** Makes the audit records of one serving thread. */
export class Auditor {
  readonly #recorder: Recorder
  readonly #surroundings: AuditSurroundings
  readonly #methods = new Map<string, AuditedMethod>()
  #policy: AuditPolicy
  #calls = 0
  #refusals = 0
  #refusalsSinceMs = 0
  #refusalsLeftOut = 0

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

  /**
   * A connection that got no further than its handshake. `kind` is one of a few words. Not of more than some in a while: how
   * many were left out is said with the next.
   */
  refusedConnection(peer: string, kind: string, reason: string): void {
    const { field, nowMs } = this.#surroundings
    if (nowMs() - this.#refusalsSinceMs >= refusalsIntervalMs) {
      this.#refusalsSinceMs = nowMs()
      this.#refusals = 0
    }
    if (++this.#refusals > limits.auditRefusalsMax) {
      this.#refusalsLeftOut++
      return
    }
    const leftOut = this.#refusalsLeftOut === 0 ? '' : `,"leftOutBefore":${this.#refusalsLeftOut}`
    this.#refusalsLeftOut = 0
    this.#recorder.record(
      `{"kind":"refused connection","time":"${timeText(nowMs())}"${field},"peer":${textJson(peer)},"verdict":"denied","rule":"${kind}","reason":${textJson(reason)}${leftOut}}\n`,
    )
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
