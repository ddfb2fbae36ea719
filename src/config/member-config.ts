/** A member's whole configuration, checked; made from flags, environment and file by `config/`, used by `node.ts`. */
export interface MemberConfig {
  readonly name: string
  /** Absolute. */
  readonly dataDir: string
  readonly walDir: string | null
  readonly listenClientUrls: readonly URL[]
  readonly advertiseClientUrls: readonly string[]
  readonly listenPeerUrls: readonly URL[]
  readonly initialAdvertisePeerUrls: readonly string[]
  /** Member name -> its peer URLs. */
  readonly initialCluster: ReadonlyMap<string, readonly string[]>
  readonly initialClusterState: 'new' | 'existing'
  readonly initialClusterToken: string
  readonly clientTls: TlsFiles | null
  readonly peerTls: TlsFiles | null
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
  readonly watchProgressIntervalMs: number
  /** Whether the leader writes into the log how much time long leases have left. */
  readonly leaseCheckpoints: boolean
  /** 0: everything in the core's thread. */
  readonly serveThreads: number
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error' | 'fatal'
  /** etcd version to report in Status. */
  readonly reportedVersion: string
}

/** PEM file paths, absolute. `trustedCaFile` set or `clientCertAuth`: the other side must present a certificate. */
export interface TlsFiles {
  readonly certFile: string
  readonly keyFile: string
  readonly trustedCaFile: string | null
  readonly clientCertAuth: boolean
}
