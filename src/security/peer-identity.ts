import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type Certificate, commonNamesOf, fingerprintOf, X509Error } from '../x509/index.ts'
import { presentedCertificates } from './certificate-chain.ts'

/** Who is at the other end of a connection, for records of what was done by it. */
export interface PeerIdentity {
  /** Address and port. */
  readonly address: string
  /** That leads to a trusted authority; null: there is none. */
  readonly certificate: {
    readonly commonNames: readonly string[]
    readonly uris: readonly string[]
    /** In hex. */
    readonly serial: string
    /** SHA-256, in hex. */
    readonly fingerprint: string
  } | null
}

export function identityOfPeer(socket: Socket): PeerIdentity {
  const { remoteAddress = '', remotePort = 0 } = socket
  const host = remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress
  return { address: `${host}:${remotePort}`, certificate: certificateOf(socket) }
}

function certificateOf(socket: Socket): PeerIdentity['certificate'] {
  const leaf = verifiedLeaf(socket)
  if (leaf === null) return null
  const { subject, extensions, serial } = leaf
  const uris = extensions.alternativeNames.flatMap((name) => (name.kind === 'uri' ? name.value : []))
  const commonNames = commonNamesOf(subject).filter((name) => name !== null)
  return { commonNames, uris, serial, fingerprint: fingerprintOf(leaf) }
}

function verifiedLeaf(socket: Socket): Certificate | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null
  try {
    return presentedCertificates(socket)[0] ?? null
  } catch (error) {
    if (error instanceof X509Error) return null
    throw error
  }
}
