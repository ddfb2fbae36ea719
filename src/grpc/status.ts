import { InvariantError } from '../base/assert.ts'
import type { Log } from '../base/log.ts'
import { Code, EtcdError } from '../errors.ts'
import { StatusError } from '../service/status-error.ts'

/** What goes on the wire; the shape that grpc-js takes for a failed call. */
export interface CallStatus {
  readonly code: Code
  readonly details: string
}

const internal: CallStatus = { code: Code.Internal, details: 'internal error' }

/**
 * The one way from an error to a gRPC status. Refusals keep their code and text. Anything else is a defect: the log
 * gets all of it, the caller learns nothing but that it happened.
 */
export function statusOf(error: unknown, method: string, log: Log): CallStatus {
  if (error instanceof EtcdError || error instanceof StatusError) return { code: error.code, details: error.message }
  const fields = { method, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }
  if (error instanceof InvariantError) log.fatal('a broken invariant while serving a call', fields)
  else log.error('unexpected error while serving a call', fields)
  return internal
}
