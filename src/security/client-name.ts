import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { commonNamesOf, X509Error } from '../x509/index.ts'
import { presentedCertificates } from './certificate-chain.ts'

/**
 * The common name of the certificate that the other side has proved to own and that leads to a trusted authority. Null
 * without such a certificate, and if it has no name or several: nobody should have to choose.
 */
export function commonNameOfPeer(socket: Socket): string | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null
  try {
    const [leaf] = presentedCertificates(socket)
    const names = leaf === undefined ? [] : commonNamesOf(leaf.subject)
    return names.length === 1 ? (names[0] ?? null) : null
  } catch (error) {
    if (error instanceof X509Error) return null
    throw error
  }
}
