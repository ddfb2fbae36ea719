import type { AuditConfig } from './audit-settings.ts'
import type { AuthTokenConfig } from './auth-token.ts'
import type { TokensConfig } from './token-settings.ts'

/** A member's whole configuration, checked; made from flags, environment and file by `config/`, used by `node.ts`. */
export interface MemberConfig {
  readonly name: string
  /** Absolute. */
  readonly dataDir: string
  readonly walDir: string | null
  readonly listenClientUrls: readonly URL[]
  readonly advertiseClientUrls: readonly string[]
  readonly listenPeerUrls: readonly URL[]
  /** Where else metrics and health can be asked for; https ones with `clientTls`. */
  readonly listenMetricsUrls: readonly URL[]
  readonly initialAdvertisePeerUrls: readonly string[]
  /** Member name -> its peer URLs. */
  readonly initialCluster: ReadonlyMap<string, readonly string[]>
  readonly initialClusterState: 'new' | 'existing'
  readonly initialClusterToken: string
  readonly clientTls: TlsFiles | null
  readonly peerTls: TlsFiles | null
  /** Of certificates that the member makes itself. */
  readonly selfSignedYears: number
  /** Absolute. Where the member's own certificates are renewed; empty: nowhere. */
  readonly pkiDirs: readonly string[]
  readonly pkiPassphraseFile: string | null
  /** Members' certificates are good from any address. */
  readonly peerSkipClientSanVerification: boolean
  readonly heartbeatIntervalMs: number
  readonly electionTimeoutMs: number
  readonly preVote: boolean
  readonly snapshotCount: number
  readonly compactionBatchLimit: number
  readonly compactionPauseMs: number
  readonly maxTxnOps: number
  readonly maxRequestBytes: number
  readonly maxConcurrentStreams: number
  readonly grpcKeepaliveMinTimeMs: number
  readonly grpcKeepaliveIntervalMs: number
  readonly grpcKeepaliveTimeoutMs: number
  /** Whether clients may ask what can be called, by the gRPC server reflection protocol. */
  readonly enableGrpcReflection: boolean
  readonly watchProgressIntervalMs: number
  /** By which name in its certificate a client is a user. */
  readonly clientCertIdentity: 'common-name' | 'uri'
  readonly authToken: AuthTokenConfig
  readonly tokens: TokensConfig
  /** How long a simple token lives after it was used. */
  readonly authTokenTtlSeconds: number
  /** Rounds of password hashing, as a power of two. */
  readonly bcryptCost: number
  /** Characters that a new password must have. */
  readonly authPasswordLengthMin: number
  /** Null: nothing is written down of who did what. */
  readonly audit: AuditConfig | null
  /** Whether the leader writes into the log how much time long leases have left. */
  readonly leaseCheckpoints: boolean
  /** 0: everything in the core's thread. */
  readonly serveThreads: number
  /** `extensive`: it is also counted how long calls take. */
  readonly metrics: 'basic' | 'extensive'
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  /** etcd version to report in Status. */
  readonly reportedVersion: string
}

/**
 * How TLS is set up on one side. Files are PEM, paths absolute. `trustedCaFile` set or `clientCertAuth`: the other side must
 * present a certificate; all that is said of that certificate holds for who connects here and for whom this side dials.
 */
export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  readonly trustedCaFile: string | null
  readonly clientCertAuth: boolean
  /** Certificate and key are made by the member itself: encryption, and no word on who is at the other end. */
  readonly selfSigned: boolean
  /** Revocation lists of the authorities in `trustedCaFile`. Null: revocation is not checked. */
  readonly crlFile: string | null
  /** For so long after a list's nextUpdate the certificates of its authority are still taken. */
  readonly crlGraceMs: number
  /** One of these must be the certificate's common name. Empty: any may. */
  readonly allowedCommonNames: readonly string[]
  /** The certificate must name this host among its subject alternative names. Null: any host. */
  readonly allowedHostname: string | null
  /** OpenSSL's names, preferred first. Empty: the program's own choice. */
  readonly cipherSuites: readonly string[]
  readonly tlsVersionMin: TlsVersion
  readonly tlsVersionMax: TlsVersion
}

export type TlsVersion = 'TLSv1.2' | 'TLSv1.3'

/** What holds where nothing is said. */
export const tlsDefaults = {
  selfSigned: false,
  crlFile: null,
  crlGraceMs: 24 * 60 * 60 * 1000,
  allowedCommonNames: [],
  allowedHostname: null,
  cipherSuites: [],
  tlsVersionMin: 'TLSv1.2',
  tlsVersionMax: 'TLSv1.3',
} as const satisfies Partial<TlsFiles>
