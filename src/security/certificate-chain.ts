import type { TLSSocket } from 'node:tls'
import { type Certificate, issuanceProblem, parseCertificate } from '../x509/index.ts'

/** Leaf first, trusted authority last; each issued by the next. */
export type CertificateChain = readonly Certificate[]

/** OpenSSL goes no deeper by default either. */
const depthMax = 10

/** Chains that were presented last: a fleet has few certificates and many connections, and reading one takes its time. */
const known = new Map<string, readonly Certificate[]>()
const knownMax = 500
const knownBytesMax = 16 * 1024

/**
 * What the other side presented, leaf first; empty if it presented nothing. The same array for the same bytes, as long as
 * they are remembered.
 *
 * @throws X509Error if one of them is read differently here than by OpenSSL: it is not to be trusted then.
 */
export function presentedCertificates(socket: TLSSocket): readonly Certificate[] {
  const raw: Buffer[] = []
  let bytes = 0
  let next = socket.getPeerX509Certificate()
  while (next !== undefined && raw.length < depthMax) {
    const der = next.raw
    // The last one may be its own issuer.
    if (raw.at(-1)?.equals(der)) break
    raw.push(der)
    bytes += der.length
    next = next.issuerCertificate
  }
  if (bytes > knownBytesMax) return raw.map(parseCertificate)
  const key = Buffer.concat(raw).toString('latin1')
  const found = known.get(key) ?? raw.map(parseCertificate)
  // The ones that were not seen for the longest time come first.
  known.delete(key)
  known.set(key, found)
  if (known.size > knownMax) known.delete(known.keys().next().value!)
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
