import { resolve } from 'node:path'
import { limits } from '../base/limits.ts'
import { auditConfigOf } from './audit-settings.ts'
import { parseAuthToken } from './auth-token.ts'
import { ConfigError } from './config-error.ts'
import { parseInitialCluster, requireSelf } from './initial-cluster.ts'
import type { MemberConfig } from './member-config.ts'
import { metricsOf, metricsUrlsFlag, metricsUrlsOf } from './metrics-settings.ts'
import { parseReportedVersion } from './reported-version.ts'
import type { Settings } from './settings.ts'
import {
  clientTlsFlags,
  peerTlsFlags,
  requireMatchingScheme,
  requireSafeListener,
  type TlsFlags,
  tlsFilesOf,
} from './tls-settings.ts'
import { tokensConfigOf } from './token-settings.ts'
import { type GivenUrl, parseGivenUrls, requireBindable } from './urls.ts'

/** What the machine contributes. */
export interface Surroundings {
  /** Relative paths start here. */
  readonly cwd: string
  readonly cores: number
}

const electionTimeoutMsMax = 50_000
/** A client's frame must fit into a frame between members (`limits.peerFrameBytesMax`) with room to spare. */
const maxRequestBytesMax = 32 * 1024 * 1024
/** Longest that Node's timers wait. */
const timerMsMax = 2 ** 31 - 1
const watchProgressIntervalMsMin = 100
/** Every login leaves a row in the state for so long. */
const authTokenTtlSecondsMax = 30 * 24 * 60 * 60

/**
 * Checks all settings and puts them into the form that the rest of the program uses.
 *
 * @throws ConfigError naming the flag and the reason.
 */
export function buildMemberConfig(settings: Settings, { cwd, cores }: Surroundings): MemberConfig {
  settings.refuseUnsupported()
  const name = nameOf(settings)
  const insecure = settings.bool('insecure')
  const dataDir = resolve(cwd, dataDirOf(settings, name))
  const clientTls = tlsFilesOf(settings, clientTlsFlags, cwd, dataDir)
  const peerTls = tlsFilesOf(settings, peerTlsFlags, cwd, dataDir)

  const listenUrls = (flag: string, tls: MemberConfig['clientTls'], tlsFlags: TlsFlags): GivenUrl[] => {
    const urls = parseGivenUrls(flag, settings.list(flag))
    for (const url of urls) {
      requireBindable(flag, url)
      requireMatchingScheme(flag, url, tls, tlsFlags)
      requireSafeListener(flag, url, insecure, tls)
    }
    return urls
  }
  const listenClientUrls = listenUrls('listen-client-urls', clientTls, clientTlsFlags)
  const listenPeerUrls = listenUrls('listen-peer-urls', peerTls, peerTlsFlags)
  requireDisjoint(listenClientUrls, listenPeerUrls)
  const listenMetricsUrls = metricsUrlsOf(settings, clientTls, insecure)
  requireDisjoint(listenClientUrls, listenMetricsUrls, metricsUrlsFlag)
  requireDisjoint(listenPeerUrls, listenMetricsUrls, metricsUrlsFlag, 'listen-peer-urls')

  if (settings.isSet('listen-client-urls') && !settings.isSet('advertise-client-urls'))
    throw new ConfigError('advertise-client-urls', 'is required when --listen-client-urls is set')
  const advertiseClientUrls = parseGivenUrls('advertise-client-urls', settings.list('advertise-client-urls'))
  const advertisePeerFlag = 'initial-advertise-peer-urls'
  const advertisePeerUrls = parseGivenUrls(advertisePeerFlag, settings.list(advertisePeerFlag))
  for (const url of advertisePeerUrls) requireMatchingScheme(advertisePeerFlag, url, peerTls, peerTlsFlags)
  const initialAdvertisePeerUrls = advertisePeerUrls.map((url) => url.text)

  const heartbeatIntervalMs = settings.integer('heartbeat-interval', 1, electionTimeoutMsMax)
  const electionTimeoutMs = settings.integer('election-timeout', 1, electionTimeoutMsMax)
  if (electionTimeoutMs < 5 * heartbeatIntervalMs)
    throw new ConfigError(
      'election-timeout',
      `${electionTimeoutMs} ms is less than 5 times --heartbeat-interval (${heartbeatIntervalMs} ms)`,
    )

  const walDir = settings.text('wal-dir')
  const initialCluster = initialClusterOf(settings, name, initialAdvertisePeerUrls)
  return {
    name,
    dataDir,
    walDir: walDir === '' ? null : resolve(cwd, walDir),
    listenClientUrls: listenClientUrls.map(({ url }) => url),
    advertiseClientUrls: advertiseClientUrls.map(({ text }) => text),
    listenPeerUrls: listenPeerUrls.map(({ url }) => url),
    listenMetricsUrls: listenMetricsUrls.map(({ url }) => url),
    initialAdvertisePeerUrls,
    initialCluster,
    initialClusterState: clusterStateOf(settings),
    initialClusterToken: settings.text('initial-cluster-token'),
    clientTls,
    peerTls,
    selfSignedYears: settings.integer('self-signed-cert-validity', 1, 100),
    ...renewalOf(settings, [clientTls, peerTls], cwd),
    peerSkipClientSanVerification: settings.bool('experimental-peer-skip-client-san-verification'),
    heartbeatIntervalMs,
    electionTimeoutMs,
    preVote: settings.bool('pre-vote'),
    snapshotCount: settings.integer('snapshot-count', 1, 1_000_000_000),
    compactionBatchLimit: compactionBatchLimitOf(settings),
    compactionPauseMs: compactionPauseMsOf(settings),
    maxTxnOps: settings.integer('max-txn-ops', 1, 100_000),
    maxRequestBytes: settings.integer('max-request-bytes', 1, maxRequestBytesMax),
    maxConcurrentStreams: settings.integer('max-concurrent-streams', 1, 2 ** 32 - 1),
    grpcKeepaliveMinTimeMs: timerMsOf(settings, 'grpc-keepalive-min-time'),
    grpcKeepaliveIntervalMs: timerMsOf(settings, 'grpc-keepalive-interval'),
    grpcKeepaliveTimeoutMs: timerMsOf(settings, 'grpc-keepalive-timeout'),
    enableGrpcReflection: settings.bool('enable-grpc-reflection'),
    watchProgressIntervalMs: watchProgressIntervalOf(settings),
    clientCertIdentity: clientCertIdentityOf(settings),
    authToken: parseAuthToken(settings.text('auth-token'), cwd),
    tokens: tokensConfigOf(settings, cwd),
    authTokenTtlSeconds: settings.integer('auth-token-ttl', 1, authTokenTtlSecondsMax),
    bcryptCost: settings.integer('bcrypt-cost', 4, 31),
    authPasswordLengthMin: settings.integer('auth-password-min-length', 1, limits.passwordBytesMax),
    audit: auditConfigOf(settings, cwd, dataDir),
    leaseCheckpoints: leaseCheckpointsOf(settings),
    serveThreads: serveThreadsOf(settings, cores, membersHere(name, initialCluster)),
    metrics: metricsOf(settings),
    logLevel: logLevelOf(settings),
    reportedVersion: parseReportedVersion(settings.text('reported-version')),
  }
}

function clientCertIdentityOf(settings: Settings): MemberConfig['clientCertIdentity'] {
  const flag = 'client-cert-identity'
  const value = settings.text(flag)
  if (value !== 'common-name' && value !== 'uri')
    throw new ConfigError(flag, `"${value}" is neither common-name nor uri`)
  if (settings.isSet(flag) && !settings.bool('client-cert-auth'))
    throw new ConfigError(flag, 'needs --client-cert-auth')
  return value
}

function renewalOf(settings: Settings, sides: readonly MemberConfig['clientTls'][], cwd: string) {
  const dirs = settings.list('pki-dir')
  const passphrase = settings.text('pki-passphrase-file')
  if (dirs.length > 0 && !sides.some((tls) => tls !== null && !tls.selfSigned))
    throw new ConfigError('pki-dir', 'needs --cert-file or --peer-cert-file: there is no certificate to renew')
  if (passphrase !== '' && dirs.length === 0) throw new ConfigError('pki-passphrase-file', 'needs --pki-dir')
  return {
    pkiDirs: dirs.map((dir) => resolve(cwd, dir)),
    pkiPassphraseFile: passphrase === '' ? null : resolve(cwd, passphrase),
  }
}

function nameOf(settings: Settings): string {
  const name = settings.text('name')
  if (name === '' || /[\s,=/\\\p{Cc}]/u.test(name) || name.startsWith('.'))
    throw new ConfigError(
      'name',
      `${JSON.stringify(name)} is not a usable name: no blanks, comma, equals sign or slash`,
    )
  return name
}

const dataDirOf = (settings: Settings, name: string): string =>
  settings.isSet('data-dir') && settings.text('data-dir') !== '' ? settings.text('data-dir') : `${name}.etcd`

function requireDisjoint(
  others: readonly GivenUrl[],
  urls: readonly GivenUrl[],
  flag = 'listen-peer-urls',
  otherFlag = 'listen-client-urls',
): void {
  for (const { text, url } of urls)
    if (others.some((other) => other.url.host === url.host))
      throw new ConfigError(flag, `${text} has the address of one of --${otherFlag}`)
}

function initialClusterOf(
  settings: Settings,
  name: string,
  advertisedPeerUrls: readonly string[],
): ReadonlyMap<string, readonly string[]> {
  const text = settings.text('initial-cluster')
  if (text === '') return new Map([[name, advertisedPeerUrls]])
  const members = parseInitialCluster(text)
  requireSelf(members, name, advertisedPeerUrls)
  return members
}

function clusterStateOf(settings: Settings): 'new' | 'existing' {
  const state = settings.text('initial-cluster-state')
  if (state !== 'new' && state !== 'existing')
    throw new ConfigError('initial-cluster-state', `must be new or existing, not ${JSON.stringify(state)}`)
  return state
}

function timerMsOf(settings: Settings, flag: string): number {
  const ms = settings.durationMs(flag)
  if (ms > timerMsMax) throw new ConfigError(flag, `${settings.text(flag)} is longer than 24 days`)
  return Math.ceil(ms)
}

/** The name that is set, of etcd 3.6 and of older ones. */
const newestName = (settings: Settings, name: string): string =>
  settings.isSet(name) || !settings.isSet(`experimental-${name}`) ? name : `experimental-${name}`

/** In etcd 0 stands for the default, here and in the pause. */
const compactionBatchLimitOf = (settings: Settings): number =>
  settings.integer(newestName(settings, 'compaction-batch-limit'), 0, 1_000_000) || limits.compactionBatchRevisions

const compactionPauseMsOf = (settings: Settings): number =>
  timerMsOf(settings, newestName(settings, 'compaction-sleep-interval')) || limits.compactionPauseMs

function watchProgressIntervalOf(settings: Settings): number {
  const flag = 'experimental-watch-progress-notify-interval'
  const ms = timerMsOf(settings, flag)
  if (ms < watchProgressIntervalMsMin)
    throw new ConfigError(flag, `${settings.text(flag)} is less than ${watchProgressIntervalMsMin}ms`)
  return ms
}

function leaseCheckpointsOf(settings: Settings): boolean {
  const flag = 'experimental-enable-lease-checkpoint'
  const isOn = settings.bool(flag)
  if (settings.bool(`${flag}-persist`) && !isOn) throw new ConfigError(`${flag}-persist`, `needs --${flag}`)
  return isOn
}

/** How many members of the cluster have an address of this one's host: they share its cores. */
function membersHere(name: string, cluster: ReadonlyMap<string, readonly string[]>): number {
  const hostsOf = (urls: readonly string[] = []): string[] => urls.map((url) => new URL(url).hostname)
  const own = hostsOf(cluster.get(name))
  return [...cluster.values()].filter((urls) => hostsOf(urls).some((host) => own.includes(host))).length
}

/** A core for the core's thread, and three serving threads are as many as it keeps busy. */
function serveThreadsOf(settings: Settings, cores: number, sharers: number): number {
  if (settings.text('serve-threads') === '') return Math.min(3, Math.max(1, Math.floor((cores - 1) / sharers)))
  return settings.integer('serve-threads', 0, 64)
}

function logLevelOf(settings: Settings): MemberConfig['logLevel'] {
  if (settings.bool('debug')) return 'debug'
  const level = settings.text('log-level')
  switch (level) {
    case 'debug':
    case 'info':
    case 'warn':
    case 'error':
    case 'fatal':
      return level
    case 'panic':
      return 'fatal'
    default:
      throw new ConfigError('log-level', `${JSON.stringify(level)} is none of debug, info, warn, error, panic, fatal`)
  }
}
