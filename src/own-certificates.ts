/** The member's own certificates: made by itself, or renewed from an authority. The glue between configuration and `pki/`. */

import { dirname } from 'node:path'
import type { Log } from './base/log.ts'
import type { MemberConfig } from './config/member-config.ts'
import { hostOf } from './config/urls.ts'
import { authorityRenewable, makeSelfSigned, type Renewable, Renewer } from './pki/index.ts'

/**
 * Makes what `--auto-tls` and `--peer-auto-tls` ask for, unless it is there.
 *
 * @throws PkiError if it cannot be written.
 */
export function makeOwnCertificates(config: MemberConfig, log: Log): void {
  for (const { make, port } of selfSigned(config)) {
    make()
    log.warn(`${port} connections are encrypted with a certificate that nobody vouches for: not authenticated`)
  }
}

/** Keeps the member's certificates from running out, as far as it can have new ones. */
export function startRenewer(config: MemberConfig, log: Log, onOutcome: (succeeded: boolean) => void): Renewer {
  const issued = config.pkiDirs.length === 0 ? [] : [config.clientTls, config.peerTls]
  const certFiles = issued.flatMap((tls) => (tls === null || tls.selfSigned ? [] : [tls.certFile]))
  const { pkiDirs: dirs, pkiPassphraseFile: passphraseFile } = config
  const renewer = new Renewer(
    [
      ...[...new Set(certFiles)].map((certFile) => authorityRenewable({ dirs, passphraseFile, certFile })),
      ...selfSigned(config).map(({ renewable }) => renewable),
    ],
    { log, onOutcome },
  )
  renewer.start()
  return renewer
}

function selfSigned(config: MemberConfig): { port: string; make: () => void; renewable: Renewable }[] {
  const sides = [
    { port: 'client', tls: config.clientTls, urls: config.listenClientUrls },
    { port: 'peer', tls: config.peerTls, urls: config.listenPeerUrls },
  ]
  return sides.flatMap(({ port, tls, urls }) => {
    if (tls === null || !tls.selfSigned) return []
    const { certFile } = tls
    const hosts = [...new Set(urls.map(hostOf))]
    const make = (): void => {
      makeSelfSigned({ dir: dirname(certFile), hosts, validityDays: config.selfSignedYears * 365 })
    }
    return [{ port, make, renewable: { certFile, renew: async () => make() } }]
  })
}
