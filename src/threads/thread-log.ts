import type { Log } from '../base/log.ts'
import type { FromThread } from './thread-control.ts'

/** A log that is written by the core's thread. */
export function threadLog(post: (message: FromThread) => void): Log {
  const at =
    (level: keyof Log) =>
    (message: string, fields: Record<string, unknown> = {}): void =>
      post({ kind: 'log', level, message, fields: plainFields(fields) })
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), fatal: at('fatal') }
}

/** What cannot cross between threads as it is crosses as text. */
function plainFields(fields: Record<string, unknown>): Record<string, unknown> {
  const plain: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    if (value instanceof Error) plain[name] = value.stack ?? value.message
    else if (value === null || ['string', 'number', 'boolean', 'bigint', 'undefined'].includes(typeof value))
      plain[name] = value
    else if (Array.isArray(value)) plain[name] = value.map(String)
    else plain[name] = String(value)
  }
  return plain
}
