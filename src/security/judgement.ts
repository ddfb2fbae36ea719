import { X509Certificate } from 'node:crypto'
import { limits } from '../base/limits.ts'
import { type Certificate, commonNamesOf, keyProblem, oids, printable, showName } from '../x509/index.ts'
import { type CertificateChain, chainTo } from './certificate-chain.ts'
import type { TlsMaterial } from './tls-files.ts'
import type { Refusal } from './tls-status.ts'

/** Which end presented the certificate. */
export type Side = 'client' | 'server'

/** Ways found, by what was presented: signatures are verified once for each connection and set of authorities. */
const chains = new WeakMap<readonly Certificate[], { readonly to: object; readonly chain: CertificateChain | null }>()

/**
 * Whether the certificates that the other side presented are good at this moment, beyond what OpenSSL has verified in the
 * handshake; asked again for live connections when files change and time passes.
 *
 * @param presented leaf first; the same array for the same connection.
 * @returns null, or why not.
 */
export function judge(
  material: TlsMaterial,
  presented: readonly Certificate[],
  side: Side,
  nowMs: number,
): Refusal | null {
  if (material.authorities === null) return null
  const chain = chainOf(presented, material.authorities)
  if (chain === null) return { kind: 'untrusted', reason: 'its certificate is not of a trusted authority' }
  const leaf = chain[0]!
  return (
    timeProblem(chain, nowMs) ??
    usageProblem(leaf, side) ??
    revocationProblem(material, chain, nowMs) ??
    formProblem(leaf) ??
    nameProblem(material, leaf)
  )
}

function chainOf(presented: readonly Certificate[], authorities: readonly Certificate[]): CertificateChain | null {
  const known = chains.get(presented)
  if (known?.to === authorities) return known.chain
  const chain = chainTo(presented, authorities)
  chains.set(presented, { to: authorities, chain })
  return chain
}

function timeProblem(chain: CertificateChain, nowMs: number): Refusal | null {
  for (const { subject, notBeforeMs, notAfterMs } of chain) {
    const what = (): string => `certificate ${showName(subject)}`
    if (nowMs > notAfterMs)
      return { kind: 'expired', reason: `${what()} expired on ${new Date(notAfterMs).toISOString()}` }
    if (nowMs < notBeforeMs) return { kind: 'not_yet_valid', reason: `${what()} is not valid yet` }
  }
  return null
}

function usageProblem({ extensions }: Certificate, side: Side): Refusal | null {
  const wanted = side === 'client' ? oids.clientAuth : oids.serverAuth
  if (extensions.extendedKeyUsage === null || extensions.extendedKeyUsage.includes(wanted)) return null
  return { kind: 'wrong_usage', reason: `its certificate is not for ${side}s` }
}

function revocationProblem(
  { revocations, files }: TlsMaterial,
  chain: CertificateChain,
  nowMs: number,
): Refusal | null {
  if (revocations === null) return null
  for (let i = 0; i + 1 < chain.length; i++) {
    const problem = revocations.problemOf(chain[i]!, chain[i + 1]!, nowMs, files.crlGraceMs)
    if (problem !== null) return problem
  }
  return null
}

/** What no authority should have signed, and what would read as something else than it is. */
function formProblem({ publicKey, subject, extensions }: Certificate): Refusal | null {
  const refuse = (reason: string): Refusal => ({ kind: 'malformed', reason })
  const weakness = keyProblem(publicKey)
  if (weakness !== null) return refuse(`its certificate’s key: ${weakness}`)
  const { alternativeNames } = extensions
  if (alternativeNames.length > limits.presentedNamesMax)
    return refuse(`its certificate has ${alternativeNames.length} names, more than ${limits.presentedNamesMax}`)
  for (const { kind, value } of alternativeNames) {
    // RFC 5280: these three are plain ASCII. A NUL ends a name early for some readers.
    if (typeof value === 'string' && !/^[\x21-\x7e]+$/.test(value))
      return refuse(`its certificate has a malformed name (${kind} ${printable(value.slice(0, 100))})`)
  }
  for (const { value } of subject.attributes) {
    if (value === null || printable(value) !== value.replaceAll('\\', '\\\\'))
      return refuse(`its certificate has a malformed subject (${showName(subject).slice(0, 200)})`)
  }
  return null
}

function nameProblem({ files }: TlsMaterial, leaf: Certificate): Refusal | null {
  const refuse = (reason: string): Refusal => ({
    kind: 'wrong_name',
    reason: `client certificate authentication failed: ${reason}`,
  })
  const { allowedCommonNames, allowedHostname } = files
  if (allowedCommonNames.length > 0) {
    // Of several common names it would be anybody's guess which one counts.
    const [name, ...others] = commonNamesOf(leaf.subject)
    if (name === undefined || name === null || others.length > 0 || !allowedCommonNames.includes(name))
      return refuse(`common name of ${showName(leaf.subject)} is not allowed`)
  }
  if (
    allowedHostname !== null &&
    new X509Certificate(leaf.der).checkHost(allowedHostname, { subject: 'never' }) === undefined
  ) {
    return refuse(`its certificate is not for ${allowedHostname}`)
  }
  return null
}
