import { join } from 'node:path'
import { leasehold, run } from './run.ts'

export interface Identity {
  readonly caFile: string
  readonly certFile: string
  readonly keyFile: string
}

/** What a cluster and those who knock at its doors need; all made by the real `leasehold pki`. */
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

async function pki(...args: string[]): Promise<void> {
  const { code, stderr } = await run(leasehold, ['pki', ...args])
  if (code !== 0) throw new Error(`leasehold pki ${args.join(' ')}: ${stderr}`)
}

const loopback = ['--dns', 'localhost', '--ip', '127.0.0.1', '--ip', '::1']

/** @param dir an existing folder. */
export async function makeCertificates(dir: string): Promise<TestCertificates> {
  const authority = (name: string): string => join(dir, `${name}-authority`)
  const out = join(dir, 'certs')
  for (const name of ['clients', 'peers', 'strangers'])
    await pki('init', '--dir', authority(name), '--common-name', `test ${name}`)
  const issue = async (
    of: string,
    trusts: string,
    profile: string,
    name: string,
    extra: string[],
  ): Promise<Identity> => {
    await pki('issue', '--dir', authority(of), '--profile', profile, '--name', name, '--out', out, ...extra)
    return {
      caFile: join(authority(trusts), 'ca.crt'),
      certFile: join(out, `${name}.crt`),
      keyFile: join(out, `${name}.key`),
    }
  }
  return {
    server: await issue('clients', 'clients', 'member', 'server', loopback),
    peer: await issue('peers', 'peers', 'member', 'peer', loopback),
    client: await issue('clients', 'clients', 'client', 'client', []),
    stranger: await issue('strangers', 'clients', 'client', 'stranger', []),
    clientAuthority: authority('clients'),
  }
}
