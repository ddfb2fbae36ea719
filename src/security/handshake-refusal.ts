import type { TLSSocket } from 'node:tls'
import type { Refusal, RefusalKind } from './tls-status.ts'

/** OpenSSL's verdicts on the other side's certificates. What is not here is of no authority that we trust. */
const verdicts: ReadonlyMap<string, RefusalKind> = new Map([
  ['CERT_HAS_EXPIRED', 'expired'],
  ['CERT_NOT_YET_VALID', 'not_yet_valid'],
  ['INVALID_PURPOSE', 'wrong_usage'],
  ['HOSTNAME_MISMATCH', 'wrong_name'],
  ['CERT_REVOKED', 'revoked'],
  ['EE_KEY_TOO_SMALL', 'malformed'],
  ['CA_KEY_TOO_SMALL', 'malformed'],
  ['CA_MD_TOO_WEAK', 'malformed'],
])

const codes: ReadonlyMap<string, RefusalKind> = new Map([
  ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', 'no_certificate'],
  ['ERR_TLS_HANDSHAKE_TIMEOUT', 'timeout'],
])

/** Why a handshake failed, for the log and for counting. */
export function handshakeRefusal(error: NodeJS.ErrnoException, socket: TLSSocket): Refusal {
  // Node reports a certificate that failed verification as a reset; the true reason stands on the socket.
  const verdict: unknown = socket.authorizationError
  if (verdict !== null && verdict !== undefined) {
    const text = String(verdict)
    return { kind: verdicts.get(text) ?? 'untrusted', reason: `client certificate refused: ${text}` }
  }
  const code = error.code ?? error.message
  return { kind: codes.get(code) ?? 'protocol', reason: code }
}
