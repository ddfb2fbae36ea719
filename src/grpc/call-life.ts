import type { CallAudit } from '../audit/call-audit.ts'
import type { Call, Credentials } from '../service/call.ts'

/** Whether a call still goes on, as its handler sees it. */
export class CallLife implements Call {
  readonly credentials: Credentials
  readonly audit: CallAudit | null
  #ended = false
  #callbacks: (() => void)[] = []

  constructor(credentials: Credentials, audit: CallAudit | null = null) {
    this.credentials = credentials
    this.audit = audit
  }

  get ended(): boolean {
    return this.#ended
  }

  onEnd(callback: () => void): void {
    if (this.#ended) callback()
    else this.#callbacks.push(callback)
  }

  /** Repeatable. */
  end(): void {
    if (this.#ended) return
    this.#ended = true
    const callbacks = this.#callbacks
    this.#callbacks = []
    for (const callback of callbacks) callback()
  }
}
