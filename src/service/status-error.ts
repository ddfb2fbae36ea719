import type { Code } from '../errors.ts'

/** A refusal that is no part of etcd's error table: its text is sent to the caller as it stands. */
export class StatusError extends Error {
  override readonly name = 'StatusError'
  readonly code: Code
  constructor(code: Code, message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.code = code
  }
}
