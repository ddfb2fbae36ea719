import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import {
  initAuthority,
  issue,
  issueLeaf,
  loadProfiles,
  publishRevocations,
  revoke,
  writeLeaf,
} from '../../src/pki/index.ts'
import { readCertificates } from '../../src/x509/index.ts'
import type { Identity, TestCertificates } from './certificates.ts'

export type AuthorityName = 'clients' | 'peers' | 'strangers'

export interface TestIdentityOptions {
  readonly of: AuthorityName
  readonly name: string
  readonly profile?: 'member' | 'client'
  readonly commonName?: string
  readonly dnsNames?: readonly string[]
  readonly ipAddresses?: readonly string[]
  readonly uris?: readonly string[]
  /** How long ago it was issued, for 30 days; negative: in the future. Such a one is not on the authority's record. */
  readonly ageDays?: number
  /** In place of the profile's. */
  readonly usage?: readonly ('serverAuth' | 'clientAuth')[]
}

const msPerDay = 24 * 60 * 60 * 1000

/** Three authorities with revocation lists, in this process: for tests that need bad certificates, or many. */
export class TestPki {
  readonly dir: string

  /** @param dir an existing folder. */
  constructor(dir: string) {
    this.dir = dir
    for (const name of ['clients', 'peers', 'strangers'] as const) {
      initAuthority({ dir: this.authority(name), commonName: `test ${name}` })
      publishRevocations({ dir: this.authority(name) })
    }
  }

  authority(name: AuthorityName): string {
    return join(this.dir, `${name}-authority`)
  }

  caFile(name: AuthorityName): string {
    return join(this.authority(name), 'ca.crt')
  }

  crlFile(name: AuthorityName): string {
    return join(this.authority(name), 'crl.pem')
  }

  issue(options: TestIdentityOptions): Identity {
    const { of, name, profile = 'member', ageDays, usage } = options
    const isMember = profile === 'member'
    const request = {
      profile,
      commonName: options.commonName ?? name,
      dnsNames: options.dnsNames ?? (isMember ? ['localhost'] : []),
      ipAddresses: options.ipAddresses ?? (isMember ? ['127.0.0.1', '::1'] : []),
      uris: options.uris ?? [],
      validityDays: 30,
    }
    const outDir = join(this.dir, 'certs')
    const caFile = this.caFile(of)
    if (ageDays === undefined && usage === undefined) {
      const { certFile, keyFile } = issueLeaf({ dir: this.authority(of), name, outDir, ...request })
      return { caFile, certFile, keyFile }
    }
    const text = (file: string): string => readFileSync(join(this.authority(of), file), 'utf8')
    const profiles = loadProfiles()
    const { certificates } = profiles
    const given =
      usage === undefined
        ? profiles
        : {
            ...profiles,
            certificates: { ...certificates, [profile]: { ...certificates[profile], extendedKeyUsage: usage } },
          }
    const nowMs = Date.now() - (ageDays ?? 0) * msPerDay
    const leaf = issue(
      { certPem: text('ca-1.crt'), keyPem: text('ca-1.key') },
      request,
      given as typeof profiles,
      nowMs,
    )
    return { caFile, ...writeLeaf(outDir, name, leaf) }
  }

  revoke(of: AuthorityName, { certFile }: Identity): void {
    const { serial } = readCertificates(readFileSync(certFile))[0]!
    revoke({ dir: this.authority(of), serial, reason: 'keyCompromise' })
  }

  /** For a cluster of the usual kind. */
  certificates(): TestCertificates {
    const client = this.issue({ of: 'clients', name: 'client', profile: 'client' })
    return {
      server: this.issue({ of: 'clients', name: 'server' }),
      peer: this.issue({ of: 'peers', name: 'peer' }),
      client,
      stranger: { ...this.issue({ of: 'strangers', name: 'stranger', profile: 'client' }), caFile: client.caFile },
      clientAuthority: this.authority('clients'),
    }
  }

  /** Both ports look at the lists of their authorities. */
  crlFlags(): string[] {
    return [`--client-crl-file=${this.crlFile('clients')}`, `--peer-crl-file=${this.crlFile('peers')}`]
  }

  /** Files of a member's own, which a test can replace. */
  copyOf(name: string, identity: Identity): Identity {
    const certFile = join(this.dir, `${name}.crt`)
    const keyFile = join(this.dir, `${name}.key`)
    writeFileSync(certFile, readFileSync(identity.certFile), { mode: 0o600 })
    writeFileSync(keyFile, readFileSync(identity.keyFile), { mode: 0o600 })
    return { ...identity, certFile, keyFile }
  }
}

export const peerFlags = ({ certFile, keyFile }: Identity): string[] => [
  `--peer-cert-file=${certFile}`,
  `--peer-key-file=${keyFile}`,
]
