import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'

export interface ClientCertificate {
  /** Base64url of its SHA-256: `x5t#S256` of RFC 8705. */
  readonly sha256: string
  /** Wall clock. */
  readonly expiresMs: number
}

/** The certificate that the other side has proved to own and that leads to a trusted authority; null: there is none. */
export function certificateOfPeer(socket: Socket): ClientCertificate | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null
  const certificate = socket.getPeerX509Certificate()
  if (certificate === undefined) return null
  const sha256 = createHash('sha256').update(certificate.raw).digest('base64url')
  return { sha256, expiresMs: certificate.validToDate.getTime() }
}
