import { type BigIntStats, statSync } from 'node:fs'
import { stat } from 'node:fs/promises'

export interface FileWatch {
  stop(): void
}

/**
 * Calls back when any of `files` has become another one and all have then stayed the same for one interval: who replaces
 * several, or writes one slowly, is not met in the middle. Told by their status, which also shows that a link on the way to
 * one was changed, as orchestrators replace mounted secrets. Looked at rather than waited for: events get lost on some file
 * systems, and a handful of calls costs nothing. The first look is over when this returns: what changes after it is noticed,
 * so who reads the files after it has missed nothing.
 */
export function watchFiles(files: readonly string[], intervalMs: number, onChange: () => void): FileWatch {
  /** As of the last callback, and as of the last look. */
  let settled = files.map(identityNow).join()
  let seen = settled
  let stopped = false
  const look = async (): Promise<void> => {
    const now = (await Promise.all(files.map(identityOf))).join()
    if (stopped) return
    if (now !== settled && now === seen) {
      settled = now
      onChange()
    }
    seen = now
    timer = later()
  }
  const later = (): NodeJS.Timeout => setTimeout(() => void look(), intervalMs).unref()
  let timer = later()
  return {
    stop() {
      stopped = true
      clearTimeout(timer)
    },
  }
}

const identityOf = (file: string): Promise<string> => stat(file, { bigint: true }).then(identity, missing)

function identityNow(file: string): string {
  try {
    return identity(statSync(file, { bigint: true }))
  } catch (error) {
    return missing(error as NodeJS.ErrnoException)
  }
}

const identity = ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string =>
  `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`

/** For a moment, in the middle of a replacement; when it is back it is another one. */
const missing = (error: NodeJS.ErrnoException): string => error.code ?? 'error'
