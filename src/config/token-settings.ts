import { resolve } from 'node:path'
import { ConfigError } from './config-error.ts'
import type { Settings } from './settings.ts'
import { isLoopback } from './urls.ts'

/** Signed tokens beside those of `--auth-token`. */
export interface TokensConfig {
  /** Null: none of the cluster's own. */
  readonly own: OwnTokensConfig | null
  /** Null: nobody else vouches for callers. */
  readonly outside: OutsideIssuerConfig | null
}

/** Files are absolute. One of the two files is there. */
export interface OwnTokensConfig {
  /** Null: tokens are verified here, and issued elsewhere. */
  readonly signingKeyFile: string | null
  /** A JWK set; null: the signing key is all there is. */
  readonly keysFile: string | null
  readonly issuer: string
  /** Null: the cluster's id. */
  readonly audience: string | null
  readonly lifetimeMsMax: number
}

export interface OutsideIssuerConfig {
  readonly issuer: string
  readonly audience: string
  readonly keys:
    | { readonly kind: 'file'; readonly file: string }
    /** `caFile` null: the authorities of the program. */
    | { readonly kind: 'url'; readonly url: string; readonly caFile: string | null }
  readonly nameClaim: string
  readonly groupsClaim: string
  readonly groupsPrefix: string
}

const lifetimeMsMin = 1000
const lifetimeMsMax = 24 * 60 * 60 * 1000

/** @throws ConfigError also for half a setup, which would refuse tokens that it was meant to take, or take others. */
export function tokensConfigOf(settings: Settings, cwd: string): TokensConfig {
  const own = ownOf(settings, cwd)
  const outside = outsideOf(settings, cwd)
  if (own !== null && outside !== null && own.issuer === outside.issuer) {
    throw new ConfigError('oidc-issuer', 'is that of --token-issuer: it could not be told whose a token is')
  }
  return { own, outside }
}

function ownOf(settings: Settings, cwd: string): OwnTokensConfig | null {
  const file = (flag: string): string | null => pathOf(settings, flag, cwd)
  const signingKeyFile = file('token-signing-key-file')
  const keysFile = file('token-keys-file')
  if (signingKeyFile === null && keysFile === null) {
    for (const flag of ['token-issuer', 'token-audience', 'token-max-lifetime']) {
      if (settings.isSet(flag)) throw new ConfigError(flag, 'needs --token-signing-key-file or --token-keys-file')
    }
    return null
  }
  const lifetimeMs = settings.durationMs('token-max-lifetime')
  if (lifetimeMs < lifetimeMsMin || lifetimeMs > lifetimeMsMax) {
    throw new ConfigError('token-max-lifetime', 'must be from 1s to 24h')
  }
  const audience = settings.text('token-audience')
  return {
    signingKeyFile,
    keysFile,
    issuer: required(settings, 'token-issuer'),
    audience: audience === '' ? null : audience,
    lifetimeMsMax: Math.floor(lifetimeMs),
  }
}

const outsideFlags = [
  ...['oidc-audience', 'oidc-jwks-file', 'oidc-jwks-url', 'oidc-ca-file'],
  ...['oidc-name-claim', 'oidc-groups-claim', 'oidc-groups-prefix'],
]

function outsideOf(settings: Settings, cwd: string): OutsideIssuerConfig | null {
  if (settings.text('oidc-issuer') === '') {
    for (const flag of outsideFlags) if (settings.isSet(flag)) throw new ConfigError(flag, 'needs --oidc-issuer')
    return null
  }
  return {
    issuer: settings.text('oidc-issuer'),
    audience: required(settings, 'oidc-audience'),
    keys: outsideKeysOf(settings, cwd),
    nameClaim: required(settings, 'oidc-name-claim'),
    groupsClaim: required(settings, 'oidc-groups-claim'),
    groupsPrefix: settings.text('oidc-groups-prefix'),
  }
}

function outsideKeysOf(settings: Settings, cwd: string): OutsideIssuerConfig['keys'] {
  const file = pathOf(settings, 'oidc-jwks-file', cwd)
  const url = settings.text('oidc-jwks-url')
  const caFile = pathOf(settings, 'oidc-ca-file', cwd)
  if ((file === null) === (url === '')) {
    throw new ConfigError('oidc-issuer', 'needs one of --oidc-jwks-file and --oidc-jwks-url')
  }
  if (file !== null) {
    if (caFile !== null) throw new ConfigError('oidc-ca-file', 'needs --oidc-jwks-url')
    return { kind: 'file', file }
  }
  const parsed = URL.canParse(url) ? new URL(url) : null
  if (parsed === null || !['http:', 'https:'].includes(parsed.protocol) || parsed.username !== '') {
    throw new ConfigError('oidc-jwks-url', `${JSON.stringify(url)} is not a URL such as https://issuer.example/jwks`)
  }
  if (parsed.protocol === 'http:' && !isLoopback(parsed)) {
    throw new ConfigError('oidc-jwks-url', 'must be https: whoever can change the keys can be anybody')
  }
  return { kind: 'url', url: parsed.href, caFile }
}

function pathOf(settings: Settings, flag: string, cwd: string): string | null {
  const text = settings.text(flag)
  return text === '' ? null : resolve(cwd, text)
}

function required(settings: Settings, flag: string): string {
  const text = settings.text(flag)
  if (text === '') throw new ConfigError(flag, 'must not be empty')
  return text
}
