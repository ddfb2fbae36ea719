import type { BigIntStats } from 'node:fs'
import { stat } from 'node:fs/promises'

export interface FileWatch {
  /** The files have been looked at once: what changes from here on is noticed. Never rejects. */
  readonly ready: Promise<void>
  stop(): void
}

/**
 * Calls back when any of `files` has become another one and all have then stayed the same for one interval: who replaces
 * several, or writes one slowly, is not met in the middle. Told by their status, which also shows that a link on the way to
 * one was changed, as orchestrators replace mounted secrets. Looked at rather than waited for: events get lost on some file
 * systems, and a handful of calls costs nothing.
 */
export function watchFiles(files: readonly string[], intervalMs: number, onChange: () => void): FileWatch {
  /** As of the last callback, and as of the last look. */
  let settled: string | null = null
  let seen: string | null = null
  let timer: NodeJS.Timeout | null = null
  let stopped = false
  const look = async (): Promise<void> => {
    const now = (await Promise.all(files.map(identityOf))).join()
    if (stopped) return
    settled ??= now
    if (now !== settled && now === seen) {
      settled = now
      onChange()
    }
    seen = now
    timer = setTimeout(() => void look(), intervalMs).unref()
  }
  return {
    ready: look(),
    stop() {
      stopped = true
      if (timer !== null) clearTimeout(timer)
    },
  }
}

const identityOf = (file: string): Promise<string> =>
  stat(file, { bigint: true }).then(
    ({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats) => `${dev}:${ino}:${size}:${mtimeNs}:${ctimeNs}`,
    // Missing for a moment, in the middle of a replacement; when it is back it is another one.
    (error: NodeJS.ErrnoException) => error.code ?? 'error',
  )
