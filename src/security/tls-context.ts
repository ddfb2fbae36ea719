import { constants } from 'node:crypto'
import { isIP } from 'node:net'
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate, type TlsOptions } from 'node:tls'
import { type Certificate, pem } from '../x509/index.ts'
import type { TlsMaterial } from './tls-files.ts'

/**
 * Authenticated encryption with forward secrecy only. AES-128 first: it is the faster one where there is hardware for it,
 * and no known attack makes the difference.
 */
export const defaultCipherSuites = [
  'TLS_AES_128_GCM_SHA256',
  'TLS_AES_256_GCM_SHA384',
  'TLS_CHACHA20_POLY1305_SHA256',
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
] as const

/**
 * Options for a `tls.Server`. A resumed session would skip the verification of the client's certificate, so that a
 * certificate that has expired or whose authority has been withdrawn since would still be let in. Without tickets that
 * hold a session OpenSSL sends mere names of sessions (in TLS 1.3 as tickets), and Node keeps no sessions for servers, so
 * every connection is a full handshake.
 */
export function serverTlsOptions(material: TlsMaterial, alpn: readonly string[], handshakeMsMax: number): TlsOptions {
  const options: TlsOptions = {
    ...protocolOf(material),
    cert: material.certificate,
    key: material.key,
    honorCipherOrder: true,
    requestCert: material.verifyClients,
    rejectUnauthorized: material.verifyClients,
    handshakeTimeout: handshakeMsMax,
  }
  // Without an authority Node would fall back to the public ones: name none then, and ask for no certificate.
  if (material.authorities !== null) options.ca = material.authorities.map(pemOf)
  if (alpn.length > 0) options.ALPNProtocols = [...alpn]
  return options
}

/**
 * Options for `tls.connect` to `host`. The server's certificate must come from one of the authorities (from a public one
 * only if none is configured) and name `host` in its subject alternative names.
 */
export function clientTlsOptions(material: TlsMaterial, host: string, alpn: readonly string[]): ConnectionOptions {
  const options: ConnectionOptions = {
    ...protocolOf(material),
    cert: material.certificate,
    key: material.key,
    // Made by the members themselves: nobody vouches for such certificates, so that there is nothing to verify.
    rejectUnauthorized: !material.files.selfSigned,
    checkServerIdentity: (_, certificate) => (material.files.selfSigned ? undefined : checkIdentity(host, certificate)),
  }
  // RFC 6066 section 3: no server name indication for addresses.
  if (isIP(host) === 0) options.servername = host
  if (material.authorities !== null) options.ca = material.authorities.map(pemOf)
  if (alpn.length > 0) options.ALPNProtocols = [...alpn]
  return options
}

/**
 * Whether `certificate` names `host`: undefined, or why not. The common name does not count (RFC 9525): it carries a user
 * or member name here.
 */
export function checkIdentity(host: string, certificate: PeerCertificate): Error | undefined {
  if (certificate.subjectaltname === undefined || certificate.subjectaltname === '') {
    return new Error('the certificate has no subject alternative names')
  }
  return checkServerIdentity(host, certificate)
}

const pemOf = ({ der }: Certificate): string => pem('CERTIFICATE', der)

const protocolOf = ({ files: { cipherSuites, tlsVersionMin, tlsVersionMax } }: TlsMaterial) => ({
  minVersion: tlsVersionMin,
  maxVersion: tlsVersionMax,
  ciphers: (cipherSuites.length > 0 ? cipherSuites : defaultCipherSuites).join(':'),
  secureOptions: constants.SSL_OP_NO_TICKET | constants.SSL_OP_NO_RENEGOTIATION,
})
