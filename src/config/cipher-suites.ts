import { ConfigError } from './config-error.ts'

/** Go's names of the suites of TLS 1.2 that encrypt with authentication and keep no secret for long, and OpenSSL's. */
const suites: ReadonlyMap<string, string> = new Map([
  ['TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256', 'ECDHE-ECDSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256', 'ECDHE-RSA-AES128-GCM-SHA256'],
  ['TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384', 'ECDHE-ECDSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384', 'ECDHE-RSA-AES256-GCM-SHA384'],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-ECDSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305', 'ECDHE-RSA-CHACHA20-POLY1305'],
  ['TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256', 'ECDHE-RSA-CHACHA20-POLY1305'],
])

/** Those of TLS 1.3, which cannot be left out, as in etcd. */
const suites13 = ['TLS_AES_128_GCM_SHA256', 'TLS_AES_256_GCM_SHA384', 'TLS_CHACHA20_POLY1305_SHA256']

/** Known to Go, and with a published weakness: stream cipher, CBC, triple DES, or no forward secrecy. */
const weakSuite = /^TLS_(?:RSA_WITH|ECDHE_(?:RSA|ECDSA)_WITH_(?:RC4|3DES|AES_\d+_CBC))_/

/**
 * @param names as Go spells them. @returns OpenSSL's, in the given order; none for none.
 * @throws ConfigError for an unknown or weak one.
 */
export function cipherSuitesOf(flag: string, names: readonly string[]): string[] {
  if (names.length === 0) return []
  const chosen = names.flatMap((name) => {
    if (suites13.includes(name)) return []
    const suite = suites.get(name)
    if (suite !== undefined) return [suite]
    if (weakSuite.test(name)) throw new ConfigError(flag, `TLS cipher suite ${JSON.stringify(name)} is too weak`)
    throw new ConfigError(flag, `unexpected TLS cipher suite ${JSON.stringify(name)}`)
  })
  return [...suites13, ...new Set(chosen)]
}
