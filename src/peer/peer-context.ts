import type { ClusterId, MemberId } from '../base/ids.ts'
import type { Log } from '../base/log.ts'
import type { TlsFiles } from '../config/member-config.ts'
import type { PeerEvents } from '../replica/ports.ts'
import { readTlsFiles, type TlsMaterial } from '../security/tls-files.ts'
import type { Keepalive } from './keepalive.ts'
import type { PeerTimeouts } from './peer-limits.ts'

/** What all parts of one member's peer transport share. */
export interface PeerContext {
  readonly self: { readonly clusterId: ClusterId; readonly memberId: MemberId }
  readonly events: PeerEvents
  readonly log: Log
  readonly timeouts: PeerTimeouts
  readonly keepalive: Keepalive
  /** Null: plaintext. */
  readonly tls: PeerTls | null
}

/** The files are read again for every dial, so that a renewed certificate is used without a restart. */
export class PeerTls {
  readonly files: TlsFiles
  readonly #log: Log
  #material: TlsMaterial

  /** @throws TlsFileError */
  constructor(files: TlsFiles, log: Log) {
    this.files = files
    this.#log = log
    this.#material = readTlsFiles(files)
  }

  current(): TlsMaterial {
    try {
      this.#material = readTlsFiles(this.files)
    } catch (error) {
      // Typically caught half-way through a replacement: the ones in use are still good.
      this.#log.warn('peer TLS files are unusable, keeping those in use', { reason: (error as Error).message })
    }
    return this.#material
  }

  get verifiesPeers(): boolean {
    return this.#material.verifyClients
  }
}
