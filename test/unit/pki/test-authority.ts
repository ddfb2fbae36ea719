import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TlsFiles, tlsDefaults } from '../../../src/config/member-config.ts'
import {
  type Credentials,
  createAuthority,
  issue,
  type LeafRequest,
  loadProfiles,
  writeLeaf,
} from '../../../src/pki/index.ts'

const msPerDay = 24 * 60 * 60 * 1000

/** An authority and its leaves in a folder of their own, removed by `remove`. */
export interface TestAuthority {
  readonly dir: string
  readonly credentials: Credentials
  readonly caFile: string
  /** @param ageDays how long ago it was issued; more than its validity makes an expired one. */
  leaf(name: string, request?: Partial<LeafRequest>, ageDays?: number): TlsFiles
  remove(): void
}

export function testAuthority(commonName = 'test authority'): TestAuthority {
  const dir = mkdtempSync(join(tmpdir(), 'leasehold-pki-'))
  const credentials = createAuthority({ commonName, validityDays: 1000 }, Date.now() - 500 * msPerDay)
  const caFile = join(dir, 'ca.crt')
  writeFileSync(caFile, credentials.certPem)
  return {
    dir,
    credentials,
    caFile,
    leaf(name, request = {}, ageDays = 0) {
      const full: LeafRequest = {
        profile: 'member',
        commonName: name,
        dnsNames: ['localhost'],
        ipAddresses: ['127.0.0.1'],
        uris: [],
        validityDays: 30,
        ...request,
      }
      const leaf = issue(credentials, full, loadProfiles(), Date.now() - ageDays * msPerDay)
      return { ...tlsDefaults, ...writeLeaf(dir, name, leaf), trustedCaFile: caFile, clientCertAuth: true }
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  }
}
