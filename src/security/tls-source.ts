import type { TlsFiles } from '../config/member-config.ts'
import { readTlsFiles, type TlsMaterial } from './tls-files.ts'

/** The TLS files of one listener or of one kind of dialer: read as a whole, replaced as a whole or not at all. */
export class TlsSource {
  readonly files: TlsFiles
  #material: TlsMaterial

  /** @throws TlsFileError */
  constructor(files: TlsFiles) {
    this.files = files
    this.#material = readTlsFiles(files)
  }

  get material(): TlsMaterial {
    return this.#material
  }

  /** @throws TlsFileError: what was in use stays in use. */
  reload(): TlsMaterial {
    this.#material = readTlsFiles(this.files, { before: this.#material })
    return this.#material
  }
}
