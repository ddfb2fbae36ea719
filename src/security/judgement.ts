import { X509Certificate } from 'node:crypto'
import { type Certificate, commonNamesOf, oids, showName } from '../x509/index.ts'
import { type CertificateChain, chainTo } from './certificate-chain.ts'
import type { TlsMaterial } from './tls-files.ts'

/** Which end presented the certificate. */
export type Side = 'client' | 'server'

/**
 * Whether the certificates that the other side presented are good at this moment, beyond what OpenSSL has verified in the
 * handshake; asked again for live connections when files change and time passes.
 *
 * @param presented leaf first.
 * @returns null, or why not.
 */
export function judge(
  material: TlsMaterial,
  presented: readonly Certificate[],
  side: Side,
  nowMs: number,
): string | null {
  if (material.authorities === null) return null
  const chain = chainTo(presented, material.authorities)
  if (chain === null) return 'its certificate is not of a trusted authority'
  return (
    timeProblem(chain, nowMs) ??
    usageProblem(chain[0]!, side) ??
    revocationProblem(material, chain, nowMs) ??
    nameProblem(material, chain[0]!)
  )
}

function timeProblem(chain: CertificateChain, nowMs: number): string | null {
  for (const { subject, notBeforeMs, notAfterMs } of chain) {
    if (nowMs > notAfterMs) return `certificate ${showName(subject)} expired on ${new Date(notAfterMs).toISOString()}`
    if (nowMs < notBeforeMs) return `certificate ${showName(subject)} is not valid yet`
  }
  return null
}

function usageProblem({ extensions }: Certificate, side: Side): string | null {
  const wanted = side === 'client' ? oids.clientAuth : oids.serverAuth
  if (extensions.extendedKeyUsage === null || extensions.extendedKeyUsage.includes(wanted)) return null
  return `its certificate is not for ${side}s`
}

function revocationProblem({ revocations, files }: TlsMaterial, chain: CertificateChain, nowMs: number): string | null {
  if (revocations === null) return null
  for (let i = 0; i + 1 < chain.length; i++) {
    const problem = revocations.problemOf(chain[i]!, chain[i + 1]!, nowMs, files.crlGraceMs)
    if (problem !== null) return problem
  }
  return null
}

function nameProblem({ files }: TlsMaterial, leaf: Certificate): string | null {
  const { allowedCommonNames, allowedHostname } = files
  if (allowedCommonNames.length > 0) {
    // Of several common names it would be anybody's guess which one counts.
    const [name, ...others] = commonNamesOf(leaf.subject)
    if (name === undefined || name === null || others.length > 0 || !allowedCommonNames.includes(name)) {
      return `client certificate authentication failed: common name of ${showName(leaf.subject)} is not allowed`
    }
  }
  if (
    allowedHostname !== null &&
    new X509Certificate(leaf.der).checkHost(allowedHostname, { subject: 'never' }) === undefined
  ) {
    return `client certificate authentication failed: its certificate is not for ${allowedHostname}`
  }
  return null
}
