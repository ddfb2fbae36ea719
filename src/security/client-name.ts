import type { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type Certificate, commonNamesOf, X509Error } from '../x509/index.ts'
import { presentedCertificates } from './certificate-chain.ts'

/** Which part of a certificate says who its owner is. */
export type CertificateIdentity = 'common-name' | 'uri'

/** Not what the standard has for a URI: two names that look the same should be the same. */
const strange = /[^\x21-\x7e]/

const namesIn: Readonly<Record<CertificateIdentity, (leaf: Certificate) => readonly (string | null)[]>> = {
  'common-name': ({ subject }) => commonNamesOf(subject),
  uri: ({ extensions }) =>
    extensions.alternativeNames.flatMap((name) =>
      name.kind === 'uri' ? [strange.test(name.value) ? null : name.value] : [],
    ),
}

/**
 * The one name of that kind in the certificate that the other side has proved to own and that leads to a trusted authority.
 * Null without such a certificate, and if it has no such name or several: nobody should have to choose. It is compared as it
 * stands, byte for byte.
 */
export function nameOfPeer(socket: Socket, identity: CertificateIdentity): string | null {
  if (!(socket instanceof TLSSocket) || !socket.authorized) return null
  try {
    const [leaf] = presentedCertificates(socket)
    const names = leaf === undefined ? [] : namesIn[identity](leaf)
    return names.length === 1 ? (names[0] ?? null) : null
  } catch (error) {
    if (error instanceof X509Error) return null
    throw error
  }
}
