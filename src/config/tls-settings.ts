import { resolve } from 'node:path'
import { ConfigError } from './config-error.ts'
import type { TlsFiles } from './member-config.ts'
import type { Settings } from './settings.ts'
import { type GivenUrl, isLoopback } from './urls.ts'

/** Names of the flags of one side. */
export interface TlsFlags {
  readonly cert: string
  readonly key: string
  readonly ca: string
  readonly auth: string
}

export const clientTlsFlags: TlsFlags = {
  cert: 'cert-file',
  key: 'key-file',
  ca: 'trusted-ca-file',
  auth: 'client-cert-auth',
}

export const peerTlsFlags: TlsFlags = {
  cert: 'peer-cert-file',
  key: 'peer-key-file',
  ca: 'peer-trusted-ca-file',
  auth: 'peer-client-cert-auth',
}

/** @returns null if there is no certificate. A half-made TLS setup is refused rather than served without. */
export function tlsFilesOf(settings: Settings, flags: TlsFlags, cwd: string): TlsFiles | null {
  const cert = settings.text(flags.cert)
  const key = settings.text(flags.key)
  const ca = settings.text(flags.ca)
  const clientCertAuth = settings.bool(flags.auth)
  if (cert === '' && key !== '') throw new ConfigError(flags.key, `needs --${flags.cert}`)
  if (cert !== '' && key === '') throw new ConfigError(flags.cert, `needs --${flags.key}`)
  if (cert === '' && ca !== '') throw new ConfigError(flags.ca, `needs --${flags.cert} and --${flags.key}`)
  if (clientCertAuth && ca === '') throw new ConfigError(flags.auth, `needs --${flags.ca}`)
  if (cert === '') return null
  return {
    certFile: resolve(cwd, cert),
    keyFile: resolve(cwd, key),
    trustedCaFile: ca === '' ? null : resolve(cwd, ca),
    clientCertAuth,
  }
}

/** etcd serves plaintext on an http URL beside certificates, with a warning; it is never what was meant. */
export function requireMatchingScheme(flag: string, given: GivenUrl, tls: TlsFiles | null, flags: TlsFlags): void {
  if (given.url.protocol === 'https:' && tls === null)
    throw new ConfigError(flag, `${given.text} needs --${flags.cert} and --${flags.key}`)
  if (given.url.protocol === 'http:' && tls !== null)
    throw new ConfigError(flag, `${given.text} would be plaintext although --${flags.cert} is set; use https`)
}

export function requireSafeListener(flag: string, given: GivenUrl, insecure: boolean): void {
  if (given.url.protocol === 'http:' && !isLoopback(given.url) && !insecure)
    throw new ConfigError(
      flag,
      `${given.text} would be plaintext beyond this machine; use https, or allow it with --insecure`,
    )
}
