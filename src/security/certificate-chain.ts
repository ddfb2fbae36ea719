import type { TLSSocket } from 'node:tls'
import { type Certificate, issuanceProblem, parseCertificate } from '../x509/index.ts'

/** Leaf first, trusted authority last; each issued by the next. */
export type CertificateChain = readonly Certificate[]

/** OpenSSL goes no deeper by default either. */
const depthMax = 10

/**
 * What the other side presented, leaf first; empty if it presented nothing.
 *
 * @throws X509Error if one of them is read differently here than by OpenSSL: it is not to be trusted then.
 */
export function presentedCertificates(socket: TLSSocket): Certificate[] {
  const found: Certificate[] = []
  let next = socket.getPeerCertificate(true)
  while (next?.raw !== undefined && found.length < depthMax) {
    found.push(parseCertificate(next.raw))
    // The last one is its own issuer.
    if (next.issuerCertificate === undefined || next.issuerCertificate.raw.equals(next.raw)) break
    next = next.issuerCertificate
  }
  return found
}

/** The way from the first of `presented` to one of `authorities`; null if there is none (any more). */
export function chainTo(
  presented: readonly Certificate[],
  authorities: readonly Certificate[],
): CertificateChain | null {
  const leaf = presented[0]
  if (leaf === undefined) return null
  const chain = [leaf]
  for (let last = leaf; chain.length <= depthMax; ) {
    const trusted = authorities.find(
      (authority) => mayStandAt(chain.length, authority) && issuanceProblem(last, authority) === null,
    )
    if (trusted !== undefined) return [...chain, trusted]
    const between = presented.find(
      (each) => !chain.includes(each) && mayStandAt(chain.length, each) && issuanceProblem(last, each) === null,
    )
    if (between === undefined) return null
    chain.push(between)
    last = between
  }
  return null
}

/** Whether an authority may have `below` certificates under it, the leaf among them. */
function mayStandAt(below: number, { extensions }: Certificate): boolean {
  const pathLength = extensions.basicConstraints?.pathLength ?? null
  return pathLength === null || below - 1 <= pathLength
}
