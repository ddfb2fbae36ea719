import type { Log } from '../base/log.ts'
import type { TlsFiles } from '../config/member-config.ts'
import { watchFiles } from './file-watch.ts'
import { readTlsFiles, TlsFileError } from './tls-files.ts'

/** A revoked certificate is shut out within two of these. */
const lookMs = 500

export interface TlsReload {
  /** Now, whether or not a file has changed. */
  reload(): void
  stop(): void
}

/**
 * Reads the TLS files again whenever one of them changes. All are checked before any is put to use: a set that is half
 * written, or wrong, leaves everything as it was and is tried again at its next change.
 *
 * @param apply makes listeners and dialers read them.
 */
export function startTlsReload(
  { clientTls, peerTls }: { readonly clientTls: TlsFiles | null; readonly peerTls: TlsFiles | null },
  log: Log,
  apply: () => void,
): TlsReload {
  const sides = [clientTls, peerTls].filter((files) => files !== null)
  const reload = (): void => {
    try {
      for (const files of sides) readTlsFiles(files)
      apply()
      log.info('TLS files were read again')
    } catch (error) {
      if (!(error instanceof TlsFileError)) throw error
      log.error('the TLS files cannot be used; the ones before stay in use', { reason: error.message })
    }
  }
  const paths = sides.flatMap((files) => [files.certFile, files.keyFile, files.trustedCaFile, files.crlFile])
  const watch = watchFiles([...new Set(paths.filter((path) => path !== null))], lookMs, reload)
  return { reload, stop: () => watch.stop() }
}
