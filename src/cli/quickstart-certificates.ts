import { X509Certificate } from 'node:crypto'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { initAuthority, issueLeaf } from '../pki/index.ts'
import type { ClientFiles } from './cluster-probe.ts'
import type { QuickstartPlan } from './quickstart-plan.ts'

export interface MemberFiles {
  /** For its client port. */
  readonly clients: ClientFiles
  /** For its peer port and its connections to other members. */
  readonly peers: ClientFiles
}

export interface QuickstartCertificates {
  readonly members: ReadonlyMap<string, MemberFiles>
  /** For etcdctl. */
  readonly client: ClientFiles
}

const authorityDays = 3650
const leafDays = 90
const renewBeforeDays = 7
const msPerDay = 24 * 60 * 60 * 1000

/**
 * Two authorities, so that no client certificate opens the peer port: one for the client ports and their clients, one for
 * members among themselves. Certificates that end soon, or are of an authority that is no more, are issued anew.
 */
export async function prepareCertificates({ dir, members }: QuickstartPlan): Promise<QuickstartCertificates> {
  const clientAuthority = join(dir, 'pki', 'clients')
  const peerAuthority = join(dir, 'pki', 'peers')
  await ensureAuthority(clientAuthority, 'leasehold quickstart clients')
  await ensureAuthority(peerAuthority, 'leasehold quickstart members')
  const filesOf = new Map<string, MemberFiles>()
  for (const { name } of members) {
    const outDir = join(dir, 'certs', name)
    filesOf.set(name, {
      clients: await ensureLeaf(clientAuthority, 'member', 'clients', name, outDir),
      peers: await ensureLeaf(peerAuthority, 'member', 'peers', name, outDir),
    })
  }
  const client = await ensureLeaf(clientAuthority, 'client', 'client', 'quickstart', join(dir, 'certs'))
  return { members: filesOf, client }
}

const authorityCertificate = (authority: string): string => join(authority, 'ca.crt')

async function ensureAuthority(dir: string, commonName: string): Promise<void> {
  if (existsSync(authorityCertificate(dir))) return
  await initAuthority({ dir, commonName, validityDays: authorityDays })
}

async function ensureLeaf(
  authority: string,
  profile: 'member' | 'client',
  name: string,
  commonName: string,
  outDir: string,
): Promise<ClientFiles> {
  const files = {
    caFile: authorityCertificate(authority),
    certFile: join(outDir, `${name}.crt`),
    keyFile: join(outDir, `${name}.key`),
  }
  if (existsSync(files.certFile) && existsSync(files.keyFile) && isUsable(files)) return files
  for (const file of [files.certFile, files.keyFile]) rmSync(file, { force: true })
  const isMember = profile === 'member'
  await issueLeaf({
    dir: authority,
    profile,
    commonName,
    name,
    dnsNames: isMember ? ['localhost'] : [],
    ipAddresses: isMember ? ['127.0.0.1', '::1'] : [],
    uris: [],
    validityDays: leafDays,
    outDir,
  })
  return files
}

/** Not if it ends soon, nor if the authority was removed and made anew since: nobody would accept it. */
function isUsable({ certFile, caFile }: ClientFiles): boolean {
  const certificate = new X509Certificate(readFileSync(certFile))
  const authority = new X509Certificate(readFileSync(caFile))
  if (Date.parse(certificate.validTo) - Date.now() < renewBeforeDays * msPerDay) return false
  return certificate.checkIssued(authority) && certificate.verify(authority.publicKey)
}
