import { readFileSync, type Stats, statSync } from 'node:fs'
import type { TlsFiles } from '../config/member-config.ts'

/** A certificate, key or CA file that cannot be used. The message is one line that names the file and the reason. */
export class TlsFileError extends Error {
  override readonly name = 'TlsFileError'
  readonly file: string
  constructor(file: string, reason: string, options?: { cause?: unknown }) {
    super(`${file}: ${reason}`, options)
    this.file = file
  }
}

/**
 * A set of TLS files as read at one moment, one character a byte; plain data, so that all threads of a member use the very
 * same bytes whatever becomes of the files.
 */
export interface TlsContents {
  readonly files: TlsFiles
  readonly certificate: string
  /** Secret. */
  readonly key: string
  readonly authorities: string | null
  readonly revocations: string | null
}

/** Files are read whole. A revocation list of a hundred thousand entries has about 5 MiB. */
const pemBytesMax = 32 * 1024 * 1024

/** @throws TlsFileError if one is missing, too large, or a key that is not private. */
export function readTlsContents(files: TlsFiles): TlsContents {
  const { certFile, keyFile, trustedCaFile, crlFile } = files
  const certificate = readText(certFile, 'certificate file')
  checkPrivateMode(keyFile)
  return {
    files,
    certificate,
    key: readText(keyFile, 'key file'),
    authorities: trustedCaFile === null ? null : readText(trustedCaFile, 'trusted CA file'),
    revocations: crlFile === null ? null : readText(crlFile, 'revocation list'),
  }
}

function readText(file: string, what: string): string {
  try {
    const stats = statSync(file)
    // A pipe would block the member for ever.
    if (!stats.isFile()) throw new TlsFileError(file, `${what} is not a file`)
    // Whoever can write to an authority's file can make members and users.
    if ((stats.mode & 0o002) !== 0)
      throw new TlsFileError(file, `${what} can be written by everyone; run chmod o-w on it`)
    if (stats.size > pemBytesMax) throw new TlsFileError(file, `${what} is too large (${stats.size} bytes)`)
    return readFileSync(file, 'latin1')
  } catch (error) {
    if (error instanceof TlsFileError) throw error
    throw new TlsFileError(file, `cannot read ${what}: ${(error as NodeJS.ErrnoException).code ?? 'error'}`, {
      cause: error,
    })
  }
}

/** Private keys that others on the machine can read are as good as public. */
function checkPrivateMode(file: string): void {
  let stats: Stats
  try {
    stats = statSync(file)
  } catch (error) {
    throw new TlsFileError(file, `cannot read key file: ${(error as NodeJS.ErrnoException).code ?? 'error'}`, {
      cause: error,
    })
  }
  if (stats.uid !== 0 && stats.uid !== process.geteuid?.())
    throw new TlsFileError(file, `private key belongs to another user (id ${stats.uid}); run chown on it`)
  if ((stats.mode & 0o077) !== 0) {
    const octal = (stats.mode & 0o777).toString(8).padStart(4, '0')
    throw new TlsFileError(file, `private key is accessible to group or others (mode ${octal}); run chmod 600 on it`)
  }
}
