import type { TLSSocket } from 'node:tls'
import { memberUriScheme, parseCertificate, parseMemberUri } from '../x509/index.ts'

/**
 * A certificate may say whose it is, in a URI that names a member of a cluster: then nobody else may use it, be it that
 * several members share addresses, or a wildcard name.
 *
 * @param uris the URIs among a certificate's alternative names.
 * @param clusterToken what the cluster calls itself. @param name the member's; empty while it has not told yet.
 * @returns whether it is that member's; true if it is bound to nobody.
 */
export function isBoundTo(uris: readonly string[], clusterToken: string, name: string): boolean {
  // Also those that only look like one: half a name must not unbind a certificate.
  const bound = uris.filter((uri) => uri.toLowerCase().startsWith(memberUriScheme))
  if (bound.length === 0) return true
  return bound.some((uri) => {
    const parsed = parseMemberUri(uri)
    return parsed !== null && parsed.cluster === clusterToken && (name === '' || parsed.member === name)
  })
}

/** The URIs of the certificate that the other side of a finished handshake presented. */
export function presentedUris(socket: TLSSocket): string[] {
  const { raw } = socket.getPeerCertificate()
  if (raw === undefined) return []
  const { alternativeNames } = parseCertificate(raw).extensions
  return alternativeNames.flatMap(({ kind, value }) => (kind === 'uri' ? [value as string] : []))
}
