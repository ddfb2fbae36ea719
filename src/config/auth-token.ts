import { resolve } from 'node:path'
import { ConfigError } from './config-error.ts'
import { parseDurationMs } from './flag-values.ts'

/** Algorithms that JSON Web Tokens may be signed with here, by their names in RFC 7518 and RFC 8037. */
export const jwtAlgorithms = [
  ...['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'],
  ...['ES256', 'ES384', 'ES512', 'HS256', 'HS384', 'HS512', 'EdDSA'],
] as const

/** What users get for their password, and what is taken for one. */
export type AuthTokenConfig = { readonly kind: 'simple' } | JwtConfig

export interface JwtConfig {
  readonly kind: 'jwt'
  readonly algorithm: string
  /** PEM; null: it is made from the private key. */
  readonly publicKeyFile: string | null
  /** PEM, or the bytes of the secret for an HS algorithm; null: tokens come from elsewhere and are only verified. */
  readonly privateKeyFile: string | null
  readonly ttlSeconds: number
}

const flag = 'auth-token'
const jwtTtlDefault = '5m'
const jwtTtlMsMax = 24 * 60 * 60 * 1000

/**
 * `simple`, or `jwt` with its options: jwt,pub-key=FILE,priv-key=FILE,sign-method=RS256,ttl=5m.
 *
 * @throws ConfigError for an option that etcd would only warn of, too: it may be the one that protects something.
 */
export function parseAuthToken(text: string, cwd: string): AuthTokenConfig {
  const [kind, ...parts] = text.split(',')
  if (kind === 'simple' && parts.length === 0) return { kind }
  if (kind !== 'jwt') throw new ConfigError(flag, `${JSON.stringify(text)} is neither simple nor jwt with its options`)
  const options = new Map<string, string>()
  for (const part of parts) {
    const equals = part.indexOf('=')
    const name = part.slice(0, Math.max(equals, 0))
    if (!['pub-key', 'priv-key', 'sign-method', 'ttl'].includes(name) || equals === part.length - 1) {
      throw new ConfigError(flag, `${JSON.stringify(part)} is none of pub-key=, priv-key=, sign-method= and ttl=`)
    }
    if (options.has(name)) throw new ConfigError(flag, `${name} is given twice`)
    options.set(name, part.slice(equals + 1))
  }
  const fileOf = (name: string): string | null => (options.has(name) ? resolve(cwd, options.get(name)!) : null)
  const algorithm = options.get('sign-method') ?? ''
  if (!(jwtAlgorithms as readonly string[]).includes(algorithm)) {
    throw new ConfigError(flag, `sign-method must be one of ${jwtAlgorithms.join(', ')}`)
  }
  const publicKeyFile = fileOf('pub-key')
  const privateKeyFile = fileOf('priv-key')
  if (publicKeyFile === null && privateKeyFile === null) throw new ConfigError(flag, 'jwt needs pub-key or priv-key')
  const ttlMs = parseDurationMs(flag, options.get('ttl') ?? jwtTtlDefault)
  if (ttlMs < 1000 || ttlMs > jwtTtlMsMax) throw new ConfigError(flag, 'ttl must be from 1s to 24h')
  return { kind, algorithm, publicKeyFile, privateKeyFile, ttlSeconds: Math.floor(ttlMs / 1000) }
}
