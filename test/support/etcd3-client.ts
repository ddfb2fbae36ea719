import { readFileSync } from 'node:fs'
import { Etcd3, type IOptions } from 'etcd3'
import type { TestCluster } from './cluster.ts'
import type { TestMember } from './member.ts'

/** The npm package etcd3 with the cluster's client certificate. Close it. */
export function etcd3Client(
  cluster: TestCluster,
  members: readonly TestMember[] = cluster.members,
  options: Partial<IOptions> = {},
): Etcd3 {
  const { caFile, certFile, keyFile } = cluster.certificates.client
  return new Etcd3({
    // Node refuses an address for the server name that this client asks for.
    hosts: members.map((member) => member.clientUrl.replace('127.0.0.1', 'localhost')),
    credentials: {
      rootCertificate: readFileSync(caFile),
      certChain: readFileSync(certFile),
      privateKey: readFileSync(keyFile),
    },
    ...options,
  })
}
