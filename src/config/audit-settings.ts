import { join, resolve } from 'node:path'
import { ConfigError } from './config-error.ts'
import type { Settings } from './settings.ts'

/** What is written down of who did what. Paths are absolute. */
export interface AuditConfig {
  /** `required`: a change that cannot be recorded is not made. */
  readonly mode: 'best-effort' | 'required'
  readonly dir: string
  /** Null: the rules that are built in. */
  readonly policyFile: string | null
  readonly keyFile: string
  readonly fileBytesMax: number
  readonly fileAgeMsMax: number
  /** Null: all files are kept. */
  readonly filesMax: number | null
}

export const auditFlags = {
  mode: 'audit',
  dir: 'audit-dir',
  policy: 'audit-policy',
  key: 'audit-key-file',
  fileBytes: 'audit-file-max-bytes',
  fileAge: 'audit-file-max-age',
  files: 'audit-files-max',
} as const

const fileBytesRange = [64 * 1024, 1024 * 1024 * 1024] as const
const fileAgeMsRange = [60_000, 366 * 24 * 60 * 60 * 1000] as const

/**
 * @param dataDir absolute.
 * @returns null: nothing is audited.
 */
export function auditConfigOf(settings: Settings, cwd: string, dataDir: string): AuditConfig | null {
  const mode = settings.text(auditFlags.mode)
  if (mode !== 'off' && mode !== 'best-effort' && mode !== 'required') {
    throw new ConfigError(auditFlags.mode, `must be off, best-effort or required, not ${JSON.stringify(mode)}`)
  }
  const pathOf = (flag: string, otherwise: string | null): string | null => {
    const text = settings.text(flag)
    return text === '' ? otherwise : resolve(cwd, text)
  }
  const policyFile = pathOf(auditFlags.policy, null)
  const fileAgeMsMax = settings.durationMs(auditFlags.fileAge)
  if (fileAgeMsMax < fileAgeMsRange[0] || fileAgeMsMax > fileAgeMsRange[1]) {
    throw new ConfigError(auditFlags.fileAge, 'must be from 1m to 366 days')
  }
  const filesMax = settings.integer(auditFlags.files, 0, 10_000_000)
  // The newest file may have just begun.
  if (filesMax === 1) throw new ConfigError(auditFlags.files, 'must be 0, for all, or at least 2')
  const fileBytesMax = settings.integer(auditFlags.fileBytes, ...fileBytesRange)
  if (mode === 'off') {
    // Who says what is to be written down expects that something is.
    if (policyFile !== null) throw new ConfigError(auditFlags.policy, `needs --${auditFlags.mode}`)
    return null
  }
  return {
    mode,
    dir: pathOf(auditFlags.dir, join(dataDir, 'audit'))!,
    policyFile,
    keyFile: pathOf(auditFlags.key, join(dataDir, 'audit-key.pem'))!,
    fileBytesMax,
    fileAgeMsMax,
    filesMax: filesMax === 0 ? null : filesMax,
  }
}
