import { join } from 'node:path'
import { initAuthority, issueLeaf } from '../../src/pki/index.ts'

export interface Identity {
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
}

/** What a cluster and those who knock at its doors need; all made as `leasehold pki` would. */
export interface TestCertificates {
  /** For client ports. */
  readonly server: Identity
  /** For peer ports; another authority. */
  readonly peer: Identity
  readonly client: Identity
  /** A client of an authority that nobody trusts; it does trust the server. */
  readonly stranger: Identity
  readonly clientAuthority: string
}

const loopback = { dnsNames: ['localhost'], ipAddresses: ['127.0.0.1', '::1'] }
const noNames = { dnsNames: [], ipAddresses: [] }

/**
 * In this process: seven runs of `leasehold pki` would take longer than most tests.
 *
 * @param dir an existing folder.
 */
export function makeCertificates(dir: string): TestCertificates {
  const authority = (name: string): string => join(dir, `${name}-authority`)
  for (const name of ['clients', 'peers', 'strangers'])
    initAuthority({ dir: authority(name), commonName: `test ${name}` })
  const issue = (of: string, profile: string, name: string, names: typeof loopback): Identity => {
    const { certFile, keyFile } = issueLeaf({
      ...{ dir: authority(of), outDir: join(dir, 'certs'), profile, name, commonName: name, uris: [] },
      ...names,
      validityDays: null,
    })
    return { caFile: join(authority(of), 'ca.crt'), certFile, keyFile }
  }
  const client = issue('clients', 'client', 'client', noNames)
  return {
    server: issue('clients', 'member', 'server', loopback),
    peer: issue('peers', 'member', 'peer', loopback),
    client,
    stranger: { ...issue('strangers', 'client', 'stranger', noNames), caFile: client.caFile },
    clientAuthority: authority('clients'),
  }
}
