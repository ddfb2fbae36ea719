import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

/**
 * Base64url of the SHA-256 of the certificate that the other side has proved to own and that leads to a trusted authority:
 * `x5t#S256` of RFC 8705. Null without such a certificate.
 */
export function thumbprintOfPeer(socket: Socket): string | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null
  const certificate = socket.getPeerX509Certificate()
  return certificate === undefined ? null : createHash('sha256').update(certificate.raw).digest('base64url')
}
