import type { BigIntStats } from 'node:fs'
import { stat } from 'node:fs/promises'

export interface FileWatch {
  stop(): void
}

/**
 * Calls back when any of `files` has become another one: by its status, which also tells when a link on the way to it was
 * changed, as orchestrators replace mounted secrets. Looked at rather than waited for: events get lost on some file
 * systems, and a handful of calls costs nothing.
 */
export function watchFiles(files: readonly string[], intervalMs: number, onChange: () => void): FileWatch {
  let known: string | null = null
  let timer: NodeJS.Timeout | null = null
  let stopped = false
  const look = async (): Promise<void> => {
    const now = (await Promise.all(files.map(identityOf))).join()
    if (stopped) return
    const changed = known !== null && known !== now
    known = now
    if (changed) onChange()
    timer = setTimeout(() => void look(), intervalMs).unref()
  }
  void look()
  return {
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
