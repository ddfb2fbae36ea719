import { resolve } from 'node:path'
import { cipherSuitesOf } from './cipher-suites.ts'
import { ConfigError } from './config-error.ts'
import { type TlsFiles, type TlsVersion, tlsDefaults } from './member-config.ts'
import type { Settings } from './settings.ts'
import { type GivenUrl, isLoopback } from './urls.ts'

/** Names of the flags of one side. */
export interface TlsFlags {
  readonly cert: string
  readonly key: string
  readonly ca: string
  readonly auth: string
  readonly crl: string
  readonly allowedHostname: string
  /** Null: there is no such flag on this side. */
  readonly allowedCn: string | null
  readonly auto: string
  /** Folder inside the data folder for certificates of the member's own making, as in etcd. */
  readonly autoDir: string
}

export const clientTlsFlags: TlsFlags = {
  cert: 'cert-file',
  key: 'key-file',
  ca: 'trusted-ca-file',
  auth: 'client-cert-auth',
  crl: 'client-crl-file',
  allowedHostname: 'client-cert-allowed-hostname',
  allowedCn: null,
  auto: 'auto-tls',
  autoDir: 'fixtures/client',
}

export const peerTlsFlags: TlsFlags = {
  cert: 'peer-cert-file',
  key: 'peer-key-file',
  ca: 'peer-trusted-ca-file',
  auth: 'peer-client-cert-auth',
  crl: 'peer-crl-file',
  allowedHostname: 'peer-cert-allowed-hostname',
  allowedCn: 'peer-cert-allowed-cn',
  auto: 'peer-auto-tls',
  autoDir: 'fixtures/peer',
}

/** @returns null if there is no certificate. A half-made TLS setup is refused rather than served without. */
export function tlsFilesOf(settings: Settings, flags: TlsFlags, cwd: string, dataDir: string): TlsFiles | null {
  const cert = settings.text(flags.cert)
  const key = settings.text(flags.key)
  const ca = settings.text(flags.ca)
  const clientCertAuth = settings.bool(flags.auth)
  if (cert === '' && key !== '') throw new ConfigError(flags.key, `needs --${flags.cert}`)
  if (cert !== '' && key === '') throw new ConfigError(flags.cert, `needs --${flags.key}`)
  if (cert === '' && ca !== '') throw new ConfigError(flags.ca, `needs --${flags.cert} and --${flags.key}`)
  if (clientCertAuth && ca === '') throw new ConfigError(flags.auth, `needs --${flags.ca}`)
  const demands = demandsOf(settings, flags, cwd)
  for (const [flag, set] of [
    [flags.crl, demands.crlFile !== null],
    [flags.allowedHostname, demands.allowedHostname !== null],
    [flags.allowedCn, demands.allowedCommonNames.length > 0],
  ] as const) {
    // Without certificates of the other side nothing would be checked.
    if (flag !== null && set && ca === '') throw new ConfigError(flag, `needs --${flags.ca}`)
  }
  const protocol = protocolOf(settings)
  if (settings.bool(flags.auto)) {
    if (cert !== '') throw new ConfigError(flags.auto, `conflicts with --${flags.cert}: use one of them`)
    const file = (name: string): string => resolve(cwd, dataDir, flags.autoDir, name)
    return {
      ...demands,
      ...protocol,
      certFile: file('cert.pem'),
      keyFile: file('key.pem'),
      trustedCaFile: null,
      clientCertAuth: false,
      selfSigned: true,
    }
  }
  if (cert === '') return null
  return {
    ...demands,
    ...protocol,
    certFile: resolve(cwd, cert),
    keyFile: resolve(cwd, key),
    trustedCaFile: ca === '' ? null : resolve(cwd, ca),
    clientCertAuth,
    selfSigned: false,
  }
}

type Demands = Pick<TlsFiles, 'crlFile' | 'crlGraceMs' | 'allowedCommonNames' | 'allowedHostname'>

/** What is asked of the other side's certificate. */
function demandsOf(settings: Settings, flags: TlsFlags, cwd: string): Demands {
  const crl = settings.text(flags.crl)
  const hostname = settings.text(flags.allowedHostname)
  const commonNames = flags.allowedCn === null ? [] : settings.list(flags.allowedCn)
  if (commonNames.length > 0 && hostname !== '')
    throw new ConfigError(flags.allowedCn!, `conflicts with --${flags.allowedHostname}: use one of them`)
  return {
    crlFile: crl === '' ? null : resolve(cwd, crl),
    crlGraceMs: settings.durationMs('crl-grace'),
    allowedCommonNames: commonNames,
    allowedHostname: hostname === '' ? null : hostname,
  }
}

const versions: ReadonlyMap<string, TlsVersion> = new Map([
  ['TLS1.2', 'TLSv1.2'],
  ['TLS1.3', 'TLSv1.3'],
])

function protocolOf(settings: Settings): Pick<TlsFiles, 'cipherSuites' | 'tlsVersionMin' | 'tlsVersionMax'> {
  const version = (flag: string, unset: TlsVersion): TlsVersion => {
    const text = settings.text(flag)
    const found = text === '' ? unset : versions.get(text)
    if (found === undefined) throw new ConfigError(flag, `${JSON.stringify(text)} is neither TLS1.2 nor TLS1.3`)
    return found
  }
  const tlsVersionMin = version('tls-min-version', tlsDefaults.tlsVersionMin)
  const tlsVersionMax = version('tls-max-version', tlsDefaults.tlsVersionMax)
  if (tlsVersionMin > tlsVersionMax) throw new ConfigError('tls-min-version', 'is above --tls-max-version')
  const cipherSuites = cipherSuitesOf('cipher-suites', settings.list('cipher-suites'))
  if (cipherSuites.length > 0 && tlsVersionMin === 'TLSv1.3')
    throw new ConfigError('cipher-suites', 'has no effect with --tls-min-version=TLS1.3')
  return { cipherSuites, tlsVersionMin, tlsVersionMax }
}

/** etcd serves plaintext on an http URL beside certificates, with a warning; it is never what was meant. */
export function requireMatchingScheme(flag: string, given: GivenUrl, tls: TlsFiles | null, flags: TlsFlags): void {
  if (given.url.protocol === 'https:' && tls === null)
    throw new ConfigError(flag, `${given.text} needs --${flags.cert} and --${flags.key}`)
  if (given.url.protocol === 'http:' && tls !== null)
    throw new ConfigError(
      flag,
      `${given.text} would be plaintext although --${tls.selfSigned ? flags.auto : flags.cert} is set; use https`,
    )
}

export function requireSafeListener(flag: string, given: GivenUrl, insecure: boolean, tls: TlsFiles | null): void {
  if (tls?.selfSigned === true && !isLoopback(given.url) && !insecure)
    throw new ConfigError(
      flag,
      `${given.text} would authenticate nobody beyond this machine; use certificates, or allow it with --insecure`,
    )
  if (given.url.protocol === 'http:' && !isLoopback(given.url) && !insecure)
    throw new ConfigError(
      flag,
      `${given.text} would be plaintext beyond this machine; use https, or allow it with --insecure`,
    )
}
