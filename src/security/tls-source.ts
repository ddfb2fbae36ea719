import type { TlsFiles } from '../config/member-config.ts'
import type { TlsContents } from './tls-contents.ts'
import { checkTlsContents, readTlsFiles, type TlsMaterial } from './tls-files.ts'

/** The TLS files of one port or of one kind of dialer: in use as a whole, replaced as a whole or not at all. */
export class TlsSource {
  #material: TlsMaterial
  readonly #listeners = new Set<() => void>()

  constructor(material: TlsMaterial) {
    this.#material = material
  }

  /** @throws TlsFileError if they are files that cannot be used. */
  static of(tls: TlsFiles | TlsSource): TlsSource {
    return tls instanceof TlsSource ? tls : new TlsSource(readTlsFiles(tls))
  }

  get material(): TlsMaterial {
    return this.#material
  }

  /** What was read and checked elsewhere comes into use here. @throws TlsFileError: what was in use stays in use. */
  take(contents: TlsContents): void {
    this.replace(checkTlsContents(contents, { before: this.#material }))
  }

  replace(material: TlsMaterial): void {
    this.#material = material
    for (const listener of this.#listeners) listener()
  }

  /** Reads its files again. @throws TlsFileError: what was in use stays in use. */
  reload(): void {
    this.replace(readTlsFiles(this.#material.files, { before: this.#material }))
  }

  /** @returns ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
}
