import pino from 'pino'
import { formatId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'fatal'

export interface LogOptions {
  readonly level: LogLevel
  /** Tells members that share a terminal or a log collector apart. */
  readonly name: string
  /** Where the lines go; standard error, written synchronously, if absent. */
  readonly destination?: { write(line: string): unknown }
}

/** The one list of field names whose values never reach a log, at the top of the fields or one level down. */
export const redactedFields: readonly string[] = [
  'password',
  'passphrase',
  'token',
  'authorization',
  'secret',
  'value',
  'privateKey',
  'keyPem',
]

const standardError = 2

/**
 * One JSON object per line, named as etcd's structured log names them: `level` (text), `ts`, `msg`, then the fields.
 *
 * Lines are written before the call returns: the last line before a crash is the one that matters, and a member logs
 * little. The file descriptor is used directly, so that worker threads log without their main thread's help.
 */
export function createLog({ level, name, destination }: LogOptions): Log {
  const logger = pino(
    {
      level,
      base: null,
      messageKey: 'msg',
      timestamp: () => `,"ts":"${new Date().toISOString()}"`,
      formatters: { level: (label) => ({ level: label }) },
      redact: { paths: redactedFields.flatMap((field) => [field, `*.${field}`]), censor: '[redacted]' },
    },
    destination ?? pino.destination({ fd: standardError, sync: true }),
  ).child({ name })

  const at =
    (method: LogLevel) =>
    (message: string, fields?: Record<string, unknown>): void => {
      if (fields === undefined) logger[method](message)
      else if (logger.isLevelEnabled(method)) logger[method](plain(fields), message)
    }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), fatal: at('fatal') }
}

/** JSON has no bigint, and ours are ids; an Error's own fields are not enumerable. */
function plain(fields: Record<string, unknown>): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(fields)) result[key] = plainValue(value)
  return result
}

function plainValue(value: unknown): unknown {
  if (typeof value === 'bigint') return formatId(value)
  if (value instanceof Error) return describeError(value)
  if (value instanceof Uint8Array) return `[${value.length} bytes]`
  return value
}

function describeError(error: Error): Record<string, unknown> {
  const { name, message, stack, cause } = error
  const code = 'code' in error ? error.code : undefined
  return {
    type: name,
    message,
    ...(code === undefined ? {} : { code }),
    ...(cause === undefined ? {} : { cause: plainValue(cause) }),
    stack,
  }
}
