/** Where a component reports what an operator should know. Fields never hold keys' values, passwords or tokens. */
export interface Log {
  debug(message: string, fields?: Record<string, unknown>): void
  info(message: string, fields?: Record<string, unknown>): void
  warn(message: string, fields?: Record<string, unknown>): void
  error(message: string, fields?: Record<string, unknown>): void
  fatal(message: string, fields?: Record<string, unknown>): void
}

const ignore = (): void => {}
export const silentLog: Log = { debug: ignore, info: ignore, warn: ignore, error: ignore, fatal: ignore }
